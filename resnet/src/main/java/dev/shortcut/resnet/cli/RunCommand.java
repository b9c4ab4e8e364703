package dev.shortcut.resnet.cli;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.resnet.batch.InputException;
import dev.shortcut.resnet.batch.NpyReader;
import dev.shortcut.resnet.batch.NpyType;
import dev.shortcut.resnet.batch.NpyWriter;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "run",
    header = "Run a tensor through a network.",
    description = {
      "%nReads a NumPy file and writes the network's outputs for it to another, for comparison with any other framework. The"
          + " input is float32 of shape (N, 3, height, width), taken as it is, or uint8 of shape (N, height, width, 3), which is"
          + " normalised with the weights' mean and deviation; one image may lack the N. Height and width may be any that the"
          + " network's strides allow.%n"
    },
    footer = {
      "%nExamples:",
      "  shortcut run --input x.npy --output y.npy",
      "  shortcut run --model resnet50 --weights random:7 --input x.npy --output y.npy --values features"
    })
final class RunCommand implements Callable<Integer> {
  /** What each image becomes. */
  private enum Values {
    LOGITS,
    PROBABILITIES,
    FEATURES
  }

  private final Console console;

  @Mixin private ModelOptions models = new ModelOptions();
  @Mixin private EngineOptions engines = new EngineOptions();

  @Option(
      names = "--input",
      paramLabel = "FILE",
      required = true,
      description = "The images, a .npy file.")
  private Path input = Path.of("");

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      required = true,
      description = "Where the results go, a .npy file of float32: one row for each image.")
  private Path output = Path.of("");

  @Option(
      names = "--values",
      paramLabel = "logits|probabilities|features",
      description = "What each image becomes. Default: ${DEFAULT-VALUE}.",
      defaultValue = "logits")
  private Values values = Values.LOGITS;

  RunCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws InterruptedException {
    try (NpyReader images = NpyReader.open(input);
        ImageModel model = models.open()) {
      Shape shape = shape(images);
      InputFormat format =
          images.type() == NpyType.UINT8 ? model.inputFormat() : new InputFormat.Float32Nchw();
      Model network = Model.of(graph(model, shape), model.weights());
      Options options =
          engines.options().withInput(format).withOutput(Options.Output.valueOf(values.name()));
      // A batch that is never full would take memory for nothing.
      options = options.withMaxBatch((int) Math.min(count(images), options.maxBatch()));
      model.notes().forEach(console::message);
      try (Engine engine =
          OpenEngine.of(network, model.toString(), options, engines.explain(), console)) {
        run(engine, images);
      }
    }
    return ExitCodes.OK;
  }

  private Graph graph(ImageModel model, Shape shape) {
    try {
      return model.architecture().graph(model.labels().size(), shape.height(), shape.width());
    } catch (IllegalArgumentException e) {
      throw new InputException(
          "%s: %s cannot take images of %s: %s"
              .formatted(input, model.architecture().name(), shape, e.getMessage()),
          e);
    }
  }

  /** The shape of one image; the file's rank and number of channels are checked. */
  private static Shape shape(NpyReader images) {
    List<Long> dims = images.dims();
    if (dims.contains(0L)) {
      throw new InputException("%s has no images: its shape is %s".formatted(images.file(), dims));
    }
    boolean bytes = images.type() == NpyType.UINT8;
    String wanted = bytes ? "uint8 (N, height, width, 3)" : "float32 (N, 3, height, width)";
    List<Long> one = dims.subList(Math.max(0, dims.size() - 3), dims.size());
    if ((dims.size() != 4 && dims.size() != 3)
        || one.get(bytes ? 2 : 0) != 3
        || one.stream().anyMatch(extent -> extent < 1 || extent > 1 << 20)
        || (dims.size() == 4 && (dims.getFirst() < 1 || dims.getFirst() > Integer.MAX_VALUE))) {
      throw new InputException(
          "%s has shape %s of %s, but %s is needed"
              .formatted(images.file(), dims, bytes ? "uint8" : "float32", wanted));
    }
    try {
      return bytes
          ? new Shape(3, one.get(0).intValue(), one.get(1).intValue())
          : new Shape(3, one.get(1).intValue(), one.get(2).intValue());
    } catch (IllegalArgumentException e) {
      throw new InputException("%s: %s".formatted(images.file(), e.getMessage()), e);
    }
  }

  /** How many images the file has. */
  private static long count(NpyReader images) {
    return images.dims().size() == 3 ? 1 : images.dims().getFirst();
  }

  private void run(Engine engine, NpyReader images) throws InterruptedException {
    long count = count(images);
    int batch = engine.options().maxBatch();
    Shape result = engine.outputShape();
    List<Long> row =
        result.isFlat()
            ? List.of((long) result.channels())
            : List.of((long) result.channels(), (long) result.height(), (long) result.width());
    try (Arena arena = Arena.ofShared();
        NpyWriter writer = NpyWriter.create(output, NpyType.FLOAT32, row)) {
      MemorySegment in = arena.allocate(batch * engine.inputBytes(), 64);
      MemorySegment out = arena.allocate((long) batch * engine.outputElements() * Float.BYTES, 64);
      for (long done = 0; done < count; done += batch) {
        int now = (int) Math.min(batch, count - done);
        if (images.dims().size() == 3) {
          images.readAll(in);
        } else {
          images.read(done, now, in);
        }
        engine.run(in, out, now);
        writer.write(out.asSlice(0, (long) now * engine.outputElements() * Float.BYTES));
      }
      writer.finish();
    }
    console.message("%s -> %s".formatted(Console.counted(count, "image"), output));
  }
}
