package dev.shortcut.engine.backend.onednn;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.backend.Slot;
import dev.shortcut.engine.backend.TopChannels;
import dev.shortcut.engine.backend.onednn.Program.Operand;
import dev.shortcut.engine.graph.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One arena, one stream, and for each batch size the arguments of every call, made ready once. */
final class OneDnnSlot implements Slot {
  private final OneDnn oneDnn;
  private final MemorySegment stream;
  private final int threads;
  private final MemorySegment inputStaging;
  private final MemorySegment outputStaging;

  /** By number of images; null where that size is not compiled. */
  private final @Nullable Bound[] bound;

  /**
   * A program with addresses.
   *
   * @param inputs the memory objects that get the address of the caller's input
   * @param outputs the memory objects that get the address of the caller's output
   * @param pixels what turns the caller's pixels into the first kernel's input, or null
   * @param ranking what is done behind the last call, or null
   */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  private record Bound(
      String[] nodes,
      String[] purposes,
      MemorySegment[] primitives,
      int[] counts,
      MemorySegment[] arguments,
      MemorySegment[] inputs,
      MemorySegment[] outputs,
      @Nullable Pixels pixels,
      @Nullable Ranking ranking) {}

  /**
   * Pixels to floats, by a table of all that a pixel can become.
   *
   * @param table 256 floats for each channel
   * @param channels number of channels
   * @param pixels number of pixels of one image
   * @param target where the floats go, in the pixels' order
   */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  private record Pixels(float[] table, int channels, int pixels, MemorySegment target) {
    void convert(int images, MemorySegment source) {
      int perImage = pixels * channels;
      for (int image = 0; image < images; image++) {
        MemorySegment from = source.asSlice((long) image * perImage, perImage);
        MemorySegment to =
            target.asSlice((long) image * perImage * Float.BYTES, (long) perImage * Float.BYTES);
        for (int i = 0; i < perImage; i += channels) {
          for (int c = 0; c < channels; c++) {
            int pixel = from.get(ValueLayout.JAVA_BYTE, i + c) & 0xff;
            to.setAtIndex(ValueLayout.JAVA_FLOAT, i + c, table[c << 8 | pixel]);
          }
        }
      }
    }
  }

  /**
   * Floats to the largest of them.
   *
   * @param node the name of the node that it is for
   * @param top what is computed for each image
   * @param source begins with the floats of the first image
   */
  private record Ranking(String node, TopChannels top, MemorySegment source) {
    void compute(int images, MemorySegment output) {
      for (int image = 0; image < images; image++) {
        top.compute(source, output, image);
      }
    }
  }

  private OneDnnSlot(
      OneDnn oneDnn,
      MemorySegment stream,
      int threads,
      MemorySegment inputStaging,
      MemorySegment outputStaging,
      @Nullable Bound[] bound) {
    this.oneDnn = oneDnn;
    this.stream = stream;
    this.threads = threads;
    this.inputStaging = inputStaging;
    this.outputStaging = outputStaging;
    this.bound = bound;
  }

  static OneDnnSlot bind(
      OneDnn oneDnn,
      MemorySegment engine,
      List<Program> programs,
      MemorySegment constants,
      MemorySegment arena,
      MemorySegment inputStaging,
      MemorySegment outputStaging,
      Shape image,
      Options options,
      Arena argumentArena,
      Closer owner) {
    MemorySegment stream = oneDnn.streamCreate(engine, OneDnnConstants.STREAM_DEFAULT_FLAGS);
    owner.own(() -> oneDnn.streamDestroy(stream));
    @Nullable Bound[] bound = new Bound[programs.getLast().batch() + 1];
    for (Program program : programs) {
      bound[program.batch()] =
          bind(oneDnn, engine, program, constants, arena, image, options, argumentArena, owner);
    }
    return new OneDnnSlot(oneDnn, stream, options.threads(), inputStaging, outputStaging, bound);
  }

  private static Bound bind(
      OneDnn oneDnn,
      MemorySegment engine,
      Program program,
      MemorySegment constants,
      MemorySegment arena,
      Shape image,
      Options options,
      Arena argumentArena,
      Closer owner) {
    int calls = program.calls().size();
    var primitives = new MemorySegment[calls];
    var counts = new int[calls];
    var segments = new MemorySegment[calls];
    List<MemorySegment> inputs = new ArrayList<>();
    List<MemorySegment> outputs = new ArrayList<>();
    for (int i = 0; i < calls; i++) {
      Program.Call call = program.calls().get(i);
      var arguments = new Arguments(oneDnn, engine, argumentArena, owner);
      for (Program.Argument argument : call.arguments()) {
        MemorySegment data =
            switch (argument.operand()) {
              case Operand.Activation a -> arena.asSlice(program.plan().offset(a.buffer()));
              case Operand.Constant c -> constants.asSlice(c.offset());
              case Operand.Input _, Operand.Output _ -> MemorySegment.NULL;
            };
        MemorySegment memory = arguments.add(argument.index(), argument.layout(), data);
        switch (argument.operand()) {
          case Operand.Input _ -> inputs.add(memory);
          case Operand.Output _ -> outputs.add(memory);
          case Operand.Activation _, Operand.Constant _ -> {}
        }
      }
      primitives[i] = call.primitive().handle();
      counts[i] = arguments.count();
      segments[i] = arguments.segment();
    }
    return new Bound(
        program.calls().stream().map(Program.Call::node).toArray(String[]::new),
        program.calls().stream().map(Program.Call::purpose).toArray(String[]::new),
        primitives,
        counts,
        segments,
        inputs.toArray(MemorySegment[]::new),
        outputs.toArray(MemorySegment[]::new),
        pixels(program, arena, image, options.input()),
        program
            .ranking()
            .map(ranking ->
                new Ranking(
                    ranking.node(),
                    ranking.top(),
                    arena.asSlice(program.plan().offset(ranking.source().buffer()))))
            .orElse(null));
  }

  private static @Nullable Pixels pixels(
      Program program, MemorySegment arena, Shape image, InputFormat format) {
    if (!(format instanceof InputFormat.Uint8Nhwc pixels)) {
      return null;
    }
    float[] table = new float[image.channels() * 256];
    for (int i = 0; i < table.length; i++) {
      table[i] = pixels.normalise(i >> 8, i & 0xff);
    }
    long offset = program.plan().offset(program.converted().orElseThrow());
    return new Pixels(
        table, image.channels(), image.height() * image.width(), arena.asSlice(offset));
  }

  @Override
  public void attach() {
    oneDnn.ompSetNumThreads(threads);
  }

  @Override
  public MemorySegment inputStaging() {
    return inputStaging;
  }

  @Override
  public MemorySegment outputStaging() {
    return outputStaging;
  }

  @Override
  public void run(int images, MemorySegment input, MemorySegment output) {
    Bound program = begin(images, input, output);
    for (int call = 0; call < program.primitives().length; call++) {
      execute(program, call);
    }
    end(program);
    if (program.ranking() != null) {
      program.ranking().compute(images, output);
    }
  }

  /** Calls are told of by the node that they are for; on a CPU they end before they return. */
  @Override
  public void profile(int images, MemorySegment input, MemorySegment output, Stopwatch stopwatch) {
    long start = System.nanoTime();
    Bound program = begin(images, input, output);
    stopwatch.step("input", System.nanoTime() - start);
    for (int call = 0; call < program.primitives().length; call++) {
      start = System.nanoTime();
      execute(program, call);
      stopwatch.step(program.nodes()[call], System.nanoTime() - start);
    }
    end(program);
    if (program.ranking() != null) {
      start = System.nanoTime();
      program.ranking().compute(images, output);
      stopwatch.step(program.ranking().node(), System.nanoTime() - start);
    }
  }

  private Bound begin(int images, MemorySegment input, MemorySegment output) {
    Bound program = bound[images];
    if (program == null) {
      throw new IllegalArgumentException(images + " images are no compiled batch size");
    }
    if (program.pixels() != null) {
      program.pixels().convert(images, input);
    }
    for (MemorySegment memory : program.inputs()) {
      oneDnn.memorySetDataHandle(memory, input);
    }
    for (MemorySegment memory : program.outputs()) {
      oneDnn.memorySetDataHandle(memory, output);
    }
    return program;
  }

  private void execute(Bound program, int call) {
    try {
      oneDnn.primitiveExecute(
          program.primitives()[call], stream, program.counts()[call], program.arguments()[call]);
    } catch (OneDnnException e) {
      throw new OneDnnException("running " + program.purposes()[call], e);
    }
  }

  private void end(Bound program) {
    try {
      oneDnn.streamWait(stream);
    } catch (OneDnnException e) {
      String last = program.purposes()[program.purposes().length - 1];
      throw new OneDnnException("running up to " + last, e);
    }
  }
}
