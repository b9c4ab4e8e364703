package dev.shortcut.engine.backend.reference;

import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.MemoryReport;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.backend.CompiledModel;
import dev.shortcut.engine.backend.Slot;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.memory.Liveness;
import dev.shortcut.engine.memory.MemoryCap;
import dev.shortcut.engine.memory.MemoryPlan;
import dev.shortcut.engine.memory.MemoryPlanner;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/**
 * A graph for the reference backend: one copy of the tensors, and slots whose arenas fit the
 * largest batch.
 */
final class ReferenceModel implements CompiledModel {
  /** A cache line, so that no two activations share one. */
  static final long ALIGNMENT = 64;

  private final Graph graph;
  private final List<Integer> batchSizes;
  private final MemoryPlan plan;
  private final MemoryReport memory;
  private final Arena owner;
  private final List<ReferenceSlot> slots = new ArrayList<>();

  private ReferenceModel(
      Graph graph, List<Integer> batchSizes, MemoryPlan plan, MemoryReport memory, Arena owner) {
    this.graph = graph;
    this.batchSizes = List.copyOf(batchSizes);
    this.plan = plan;
    this.memory = memory;
    this.owner = owner;
  }

  @SuppressWarnings("MustBeClosedChecker") // the model owns the arena and closes it
  static ReferenceModel compile(
      Graph graph, Weights weights, List<Integer> batchSizes, Options options) {
    MemoryReport memory =
        MemoryCap.check(
            graph.name() + " on the reference backend",
            batchSizes,
            options,
            batch -> memory(graph, batch, options));
    MemoryPlan plan = plan(graph, batchSizes.getLast());
    var model = new ReferenceModel(graph, batchSizes, plan, memory, Arena.ofShared());
    try {
      Parameters parameters = Parameters.read(graph, weights, model.owner);
      for (int i = 0; i < options.slots(); i++) {
        model.slots.add(
            new ReferenceSlot(
                "shortcut-reference-" + i,
                graph,
                parameters,
                plan,
                batchSizes.getLast(),
                options,
                model.owner));
      }
      return model;
    } catch (Throwable t) {
      model.close();
      throw t;
    }
  }

  private static MemoryPlan plan(Graph graph, int batch) {
    return MemoryPlanner.plan(
        Liveness.of(graph).buffers(node -> batch * node.shape().elements() * Float.BYTES),
        ALIGNMENT);
  }

  private static MemoryReport memory(Graph graph, int batch, Options options) {
    long staging =
        batch
            * (graph.input().shape().elements() * options.input().bytesPerValue()
                + graph.output().shape().elements() * Float.BYTES);
    return new MemoryReport(
        Parameters.bytes(graph),
        plan(graph, batch).bytes(),
        options.threads() * Scratch.Size.of(graph).bytes(),
        staging,
        options.slots());
  }

  @Override
  public MemoryReport memory() {
    return memory;
  }

  @Override
  public List<KernelReport> kernels() {
    List<KernelReport> reports = new ArrayList<>();
    for (int batch : batchSizes) {
      for (int step = 0; step < graph.nodes().size(); step++) {
        Node node = graph.nodes().get(step);
        if (node.layer().isKernel()) {
          long bytes = batch * node.shape().elements() * Float.BYTES;
          reports.add(new KernelReport(node, batch, "java", plan.offset(step), bytes, 0));
        }
      }
    }
    return List.copyOf(reports);
  }

  @Override
  public List<Slot> slots() {
    return List.copyOf(slots);
  }

  @Override
  public void close() {
    if (owner.scope().isAlive()) {
      slots.reversed().forEach(ReferenceSlot::close);
      owner.close();
    }
  }
}
