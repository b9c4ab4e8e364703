package dev.shortcut.engine.backend.onednn;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.MemoryReport;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.backend.CompiledModel;
import dev.shortcut.engine.backend.PlatformThread;
import dev.shortcut.engine.backend.Slot;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.memory.MemoryCap;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** A graph for oneDNN: one copy of the weights and of the generated code, and slots. */
final class OneDnnModel implements CompiledModel {
  private final MemoryReport memory;
  private final List<KernelReport> kernels;
  private final List<Slot> slots;
  private final Closer owner;

  private OneDnnModel(
      MemoryReport memory, List<KernelReport> kernels, List<Slot> slots, Closer owner) {
    this.memory = memory;
    this.kernels = List.copyOf(kernels);
    this.slots = List.copyOf(slots);
    this.owner = owner;
  }

  /**
   * Compiles on a thread of its own: oneDNN generates code for as many threads as the calling
   * thread's OpenMP would use, and whoever calls us keeps the setting that he has.
   */
  static OneDnnModel compile(
      OneDnn oneDnn, Graph graph, Weights weights, List<Integer> batchSizes, Options options) {
    return PlatformThread.call(
        "shortcut-onednn-compile",
        () -> {
          oneDnn.ompSetNumThreads(options.threads());
          return compileHere(oneDnn, graph, weights, batchSizes, options);
        });
  }

  @Override
  public MemoryReport memory() {
    return memory;
  }

  @Override
  public List<KernelReport> kernels() {
    return kernels;
  }

  @Override
  public List<Slot> slots() {
    return slots;
  }

  @Override
  public synchronized void close() {
    owner.close();
  }

  private static OneDnnModel compileHere(
      OneDnn oneDnn, Graph graph, Weights weights, List<Integer> batchSizes, Options options) {
    var owner = new Closer();
    try {
      MemorySegment engine = oneDnn.engineCreate(OneDnnConstants.CPU, 0);
      owner.own(() -> oneDnn.engineDestroy(engine));
      var descriptors = new Descriptors(oneDnn, owner);
      var primitives = new Primitives(oneDnn, engine, descriptors, owner);
      var constants = new Constants();
      // The largest batch first: the layouts that it chooses for weights are tried on the others.
      List<Program> programs = new ArrayList<>();
      for (int batch : batchSizes.reversed()) {
        programs.addFirst(
            new Lowering(graph, batch, options.input(), descriptors, primitives, constants)
                .lower());
      }
      MemoryReport memory =
          MemoryCap.check(
              graph.name() + " on the CPU",
              batchSizes,
              options,
              largest -> memory(graph, largest, programs, constants, options));

      MemorySegment block = allocate(owner, constants.bytes());
      write(oneDnn, engine, primitives, constants, weights, block);
      List<Slot> slots = new ArrayList<>();
      for (int i = 0; i < options.slots(); i++) {
        MemorySegment arena = allocate(owner, memory.arenaPerSlot());
        MemorySegment input = allocate(owner, inputBytes(graph, batchSizes.getLast(), options));
        MemorySegment output = allocate(owner, outputBytes(graph, batchSizes.getLast()));
        slots.add(
            OneDnnSlot.bind(
                oneDnn,
                engine,
                programs,
                block,
                arena,
                input,
                output,
                graph.input().shape(),
                options,
                owner.sharedArena(),
                owner));
      }
      List<KernelReport> kernels =
          programs.stream().flatMap(program -> program.kernels().stream()).toList();
      return new OneDnnModel(memory, kernels, slots, owner);
    } catch (Throwable t) {
      owner.closeAfter(t);
      throw t;
    }
  }

  private static MemoryReport memory(
      Graph graph, int largest, List<Program> programs, Constants constants, Options options) {
    long arena =
        programs.stream()
            .filter(program -> program.batch() <= largest)
            .mapToLong(program -> program.plan().bytes())
            .max()
            .orElseThrow();
    return new MemoryReport(
        constants.bytes(),
        arena,
        0,
        inputBytes(graph, largest, options) + outputBytes(graph, largest),
        options.slots());
  }

  private static void write(
      OneDnn oneDnn,
      MemorySegment engine,
      Primitives primitives,
      Constants constants,
      Weights weights,
      MemorySegment block) {
    try (var local = new Closer()) {
      MemorySegment stream = oneDnn.streamCreate(engine, OneDnnConstants.STREAM_DEFAULT_FLAGS);
      local.own(() -> oneDnn.streamDestroy(stream));
      constants.write(
          weights,
          block,
          (source, target) -> reorder(oneDnn, engine, stream, primitives, source, target));
    }
  }

  private static void reorder(
      OneDnn oneDnn,
      MemorySegment engine,
      MemorySegment stream,
      Primitives primitives,
      Constants.Tensor source,
      Constants.Tensor target) {
    Primitive primitive =
        primitives
            .make(new Primitives.Reorder(source.layout(), target.layout()))
            .orElseThrow(() -> OneDnnException.unimplemented("a reorder of weights"));
    try (Arena frame = Arena.ofConfined();
        var local = new Closer()) {
      var arguments = new Arguments(oneDnn, engine, frame, local);
      arguments.add(OneDnnConstants.ARG_SRC, source.layout(), source.data());
      arguments.add(OneDnnConstants.ARG_DST, target.layout(), target.data());
      primitive
          .scratch()
          .ifPresent(scratch ->
              arguments.add(
                  OneDnnConstants.ARG_SCRATCHPAD,
                  scratch,
                  frame.allocate(scratch.bytes(), Constants.ALIGNMENT)));
      oneDnn.primitiveExecute(primitive.handle(), stream, arguments.count(), arguments.segment());
      oneDnn.streamWait(stream);
    }
  }

  /** Zeroed memory that any thread may use, until {@code owner} closes. */
  private static MemorySegment allocate(Closer owner, long bytes) {
    return owner.sharedArena().allocate(bytes, Constants.ALIGNMENT);
  }

  private static long inputBytes(Graph graph, int images, Options options) {
    return images * graph.input().shape().elements() * options.input().bytesPerValue();
  }

  private static long outputBytes(Graph graph, int images) {
    return images * graph.output().shape().elements() * Float.BYTES;
  }
}
