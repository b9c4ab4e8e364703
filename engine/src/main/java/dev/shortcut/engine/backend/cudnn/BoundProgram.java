package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cublas.MatmulPlan;
import dev.shortcut.bindings.cuda.Kernel;
import dev.shortcut.bindings.cuda.KernelArguments;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.cudnn.CudnnHandle;
import dev.shortcut.bindings.cudnn.ExecutionPlan;
import dev.shortcut.bindings.cudnn.LegacyConvolutionPlan;
import dev.shortcut.bindings.cudnn.VariantPack;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.backend.cudnn.Program.Argument;
import dev.shortcut.engine.backend.cudnn.Program.Launch;
import dev.shortcut.engine.backend.cudnn.Program.Legacy;
import dev.shortcut.engine.backend.cudnn.Program.Operand;
import dev.shortcut.engine.backend.cudnn.Program.Planned;
import dev.shortcut.engine.backend.cudnn.Program.Product;
import dev.shortcut.engine.backend.cudnn.Program.Step;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * A program with addresses: every plan, variant pack and argument list, made ready once. Enqueueing
 * allocates nothing. Used by one thread at a time, with the device's context current.
 */
final class BoundProgram {
  private final Program program;
  private final long arena;
  private final CudnnHandle handle;
  private final BoundLaunch input;
  private final Bound[] steps;
  private final BoundLaunch output;

  /** What was begun last, for messages. */
  private String attempted = "nothing";

  /** A step with addresses. */
  private sealed interface Bound {}

  private record BoundPlan(ExecutionPlan plan, VariantPack pack) implements Bound {}

  private record BoundLegacy(
      LegacyConvolutionPlan plan,
      long x,
      long w,
      long bias,
      long z,
      long y,
      long workspace,
      long workspaceBytes)
      implements Bound {}

  private record BoundProduct(MatmulPlan plan, long x, long w, long bias, long y, long workspace)
      implements Bound {}

  /**
   * A launch whose arguments are set, but for what changes from call to call.
   *
   * @param caller the index of the argument that is the caller's address; -1 if there is none
   * @param filled the index of the argument that is the number of pixels; -1 if there is none
   */
  private record BoundLaunch(
      Kernel kernel, int blocks, int threads, KernelArguments arguments, int caller, int filled)
      implements Bound {
    void enqueue(Stream stream) {
      stream.launch(kernel, blocks, 1, 1, threads, 1, 1, 0, arguments);
    }
  }

  /**
   * Makes everything ready.
   *
   * @param plans which the programs of a slot share
   * @param arena address of the slot's arena
   * @param input what converts the images, which need not be the program's own
   * @param output what converts the results, likewise
   */
  BoundProgram(
      Program program,
      CudnnDevice device,
      SlotPlans plans,
      long arena,
      Launch input,
      Launch output,
      Arena memory,
      Closer owner) {
    this.program = program;
    this.arena = arena;
    this.handle = plans.handle();
    this.input = bind(input, device, memory);
    this.output = bind(output, device, memory);
    List<Bound> bound = new ArrayList<>();
    for (Step step : program.steps()) {
      bound.add(
          switch (step) {
            case Launch launch -> bind(launch, device, memory);
            case Product p ->
                new BoundProduct(
                    plans.product(p.product()),
                    address(p.x(), device),
                    address(p.w(), device),
                    address(p.bias(), device),
                    address(p.y(), device),
                    address(p.workspace(), device));
            case Legacy l ->
                new BoundLegacy(
                    plans.legacy(l.kernel()),
                    address(l.x(), device),
                    address(l.w(), device),
                    address(l.bias(), device),
                    address(l.shortcut(), device),
                    address(l.y(), device),
                    address(l.workspace(), device),
                    l.workspaceBytes());
            case Planned p -> {
              long[] ids = p.tensors().keySet().stream().mapToLong(Long::longValue).toArray();
              long[] pointers = new long[ids.length];
              for (int i = 0; i < ids.length; i++) {
                pointers[i] = address(Objects.requireNonNull(p.tensors().get(ids[i])), device);
              }
              yield new BoundPlan(
                  plans.plan(p.kernel(), p.plan()),
                  VariantPack.of(
                      device.cudnn(), owner, ids, pointers, address(p.workspace(), device)));
            }
          });
    }
    steps = bound.toArray(Bound[]::new);
  }

  private BoundLaunch bind(Launch launch, CudnnDevice device, Arena memory) {
    List<Argument> arguments = launch.arguments();
    KernelArguments values = KernelArguments.of(arguments.size(), memory);
    int caller = -1;
    int filled = -1;
    for (int i = 0; i < arguments.size(); i++) {
      switch (arguments.get(i)) {
        case Argument.At(Operand operand) -> values.setLong(i, address(operand, device));
        case Argument.Nothing _ -> values.setLong(i, 0);
        case Argument.Caller _ -> caller = i;
        case Argument.Filled _ -> filled = i;
        case Argument.Int(int value) -> values.setInt(i, value);
        case Argument.Long(long value) -> values.setLong(i, value);
      }
    }
    return new BoundLaunch(
        device.kernel(launch.function()),
        launch.blocks(),
        launch.threads(),
        values,
        caller,
        filled);
  }

  private long address(Operand operand, CudnnDevice device) {
    return switch (operand) {
      case Operand.Activation a -> arena + program.plan().offset(a.buffer());
      case Operand.Constant c -> device.constantsAddress() + c.offset();
      case Operand.Elsewhere(long address) -> address;
      case Operand.None _ -> 0;
    };
  }

  /** Images that it has room for. */
  int batch() {
    return program.batch();
  }

  /** Where in the arena images may be put as they were handed over. */
  long handedOver() {
    return arena + program.plan().offset(program.handedOver());
  }

  /** Where in the arena the results may lie as floats. */
  long handedBack() {
    return arena + program.plan().offset(program.handedBack());
  }

  /** What was begun last, for messages. */
  String attempted() {
    return attempted;
  }

  /** Says what is begun now. */
  void attempt(String what) {
    attempted = what;
  }

  /** Steps between the two edges. */
  int steps() {
    return steps.length;
  }

  /** The name of the node that a step is for. */
  String node(int step) {
    return program.steps().get(step).node();
  }

  /**
   * Enqueues the conversion of the images.
   *
   * @param source their address on the device
   * @param pixels of all images that there are
   */
  void enqueueInput(Stream stream, long source, long pixels) {
    attempted = "converting the images";
    input.arguments().setLong(input.caller(), source);
    input.arguments().setLong(input.filled(), pixels);
    input.enqueue(stream);
  }

  /** Enqueues one of the steps between the edges; cuDNN's go to the handle's stream. */
  void enqueue(Stream stream, int step) {
    attempted = program.steps().get(step).purpose();
    switch (steps[step]) {
      case BoundLaunch launch -> launch.enqueue(stream);
      case BoundPlan(ExecutionPlan plan, VariantPack pack) -> handle.execute(plan, pack);
      case BoundLegacy l ->
          l.plan()
              .run(handle, l.x(), l.w(), l.bias(), l.z(), l.y(), l.workspace(), l.workspaceBytes());
      case BoundProduct p -> p.plan().run(stream, p.x(), p.w(), p.bias(), p.y(), p.workspace());
    }
  }

  /** Enqueues all steps between the edges. */
  void enqueueSteps(Stream stream) {
    for (int step = 0; step < steps.length; step++) {
      enqueue(stream, step);
    }
  }

  /**
   * Enqueues everything, from the images at one address to the results at another.
   *
   * @param pixels of all images that there are
   */
  void enqueue(Stream stream, long source, long pixels, long target) {
    enqueueInput(stream, source, pixels);
    enqueueSteps(stream);
    enqueueOutput(stream, target);
  }

  /**
   * Runs everything once on whatever lies in the arena, and waits: libraries load their kernels at
   * the first use, which a capture does not allow.
   *
   * @param pixels of all images that there is room for
   */
  void warmUp(Stream stream, long pixels) {
    enqueue(stream, handedOver(), pixels, handedBack());
    stream.synchronize();
  }

  /**
   * Enqueues the conversion of the results.
   *
   * @param target room on the device for those of the whole batch
   */
  void enqueueOutput(Stream stream, long target) {
    attempted = "converting the results";
    output.arguments().setLong(output.caller(), target);
    output.enqueue(stream);
  }
}
