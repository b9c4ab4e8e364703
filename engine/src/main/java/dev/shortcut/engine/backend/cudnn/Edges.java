package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.backend.cudnn.Program.Argument;
import dev.shortcut.engine.backend.cudnn.Program.Launch;
import dev.shortcut.engine.backend.cudnn.Program.Operand;
import dev.shortcut.engine.graph.Shape;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * The two launches that touch what is the caller's: images to the first activation, the last
 * activation to results. All else runs on fixed places.
 */
final class Edges {
  private static final int THREADS = 256;
  private static final String NODE = "output";
  private static final String PURPOSE = "converting the results";

  private Edges() {}

  /**
   * Converts images.
   *
   * @param image the shape of one in the graph
   * @param batch room for how many; what lies behind those that there are becomes zeros
   * @param format what they are handed over as
   * @param target the first activation
   * @param mean a float for each channel, for bytes
   * @param std likewise
   */
  static Launch input(
      Shape image, int batch, InputFormat format, Operand target, Operand mean, Operand std) {
    int plane = image.height() * image.width();
    int padded = Arithmetic.padded(image.channels());
    long total = (long) batch * plane * padded;
    var caller = new Argument.Caller();
    var to = new Argument.At(target);
    var filled = new Argument.Filled();
    var all = new Argument.Long(total);
    var channels = new Argument.Int(image.channels());
    var inMemory = new Argument.Int(padded);
    return switch (format) {
      case InputFormat.Uint8Nhwc _ ->
          input(
              "input_pixels",
              total,
              List.of(
                  caller,
                  to,
                  new Argument.At(mean),
                  new Argument.At(std),
                  filled,
                  all,
                  channels,
                  inMemory));
      case InputFormat.Float32Nchw _ ->
          input(
              "input_floats",
              total,
              List.of(caller, to, filled, all, new Argument.Int(plane), channels, inMemory));
      case InputFormat.Float32Nhwc _ ->
          input(
              "input_floats",
              total,
              List.of(caller, to, filled, all, new Argument.Int(1), channels, inMemory));
    };
  }

  /** Writes what {@link #input} subtracts from bytes and divides them by, a float a channel. */
  static void normalisation(InputFormat.Uint8Nhwc format, MemorySegment mean, MemorySegment std) {
    for (int c = 0; c < format.mean().size(); c++) {
      mean.setAtIndex(ValueLayout.JAVA_FLOAT, c, format.mean().get(c).floatValue());
      std.setAtIndex(ValueLayout.JAVA_FLOAT, c, format.std().get(c).floatValue());
    }
  }

  private static Launch input(String function, long total, List<Argument> arguments) {
    return launch("input", "converting the images", function, total, arguments);
  }

  /**
   * Converts the last activation to floats in channel, row, column order.
   *
   * @param result the shape of one image's in the graph
   */
  static Launch values(Shape result, int images, Operand source) {
    long total = images * result.elements();
    return launch(
        NODE,
        PURPOSE,
        "output_floats",
        total,
        List.of(
            new Argument.At(source),
            new Argument.Caller(),
            new Argument.Long(total),
            new Argument.Int(result.height() * result.width()),
            new Argument.Int(result.channels()),
            new Argument.Int(Arithmetic.padded(result.channels()))));
  }

  /**
   * Softmax of the last activation, never rounded to less than floats, in channel, row, column
   * order.
   *
   * @param result the shape of one image's in the graph
   */
  static Launch softmax(Shape result, int images, Operand source) {
    int plane = result.height() * result.width();
    return rows(
        NODE,
        PURPOSE,
        "softmax_floats",
        Math.multiplyExact(images, plane),
        List.of(
            new Argument.At(source),
            new Argument.Caller(),
            new Argument.Int(result.channels()),
            new Argument.Int(Arithmetic.padded(result.channels())),
            new Argument.Int(plane)));
  }

  /**
   * The largest of each pixel's channels, in channel, row, column order.
   *
   * @param x the shape in the graph of what goes in
   * @param source its floats, the channels of a pixel beside one another
   */
  static Launch topK(Shape x, int k, int images, Operand source) {
    int plane = x.height() * x.width();
    return rows(
        NODE,
        PURPOSE,
        "top_k",
        Math.multiplyExact(images, plane),
        List.of(
            new Argument.At(source),
            new Argument.Caller(),
            new Argument.Int(x.channels()),
            new Argument.Int(plane),
            new Argument.Int(k)));
  }

  /** A launch of a kernel that gives each pixel's channels to one block. */
  static Launch rows(
      String node, String purpose, String function, int rows, List<Argument> arguments) {
    return new Launch(node, purpose, function, rows, KernelModule.ROW_THREADS, arguments);
  }

  /** A launch of a kernel that gives each thread one value. */
  static Launch launch(
      String node, String purpose, String function, long threads, List<Argument> arguments) {
    int blocks = Math.toIntExact(Math.ceilDiv(threads, THREADS));
    return new Launch(node, purpose, function, blocks, THREADS, arguments);
  }
}
