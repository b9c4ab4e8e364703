package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.memory.MemoryPlan;
import java.util.List;
import java.util.Map;

/**
 * What one batch size runs: steps in order, and where everything that they touch lies. Immutable,
 * without addresses, so that all slots of a device share it.
 *
 * @param batch images
 * @param first where the images lie as the network's input
 * @param input turns the images as they are handed over into the first activation
 * @param steps what runs between the two edges, on fixed places
 * @param output turns the last activation into results as floats
 * @param plan the places of all activations and scratch space in the arena
 * @param handedOver the buffer in which the images lie as they were handed over, where they are not
 *     on the device already
 * @param handedBack the buffer in which the results lie as floats, likewise
 * @param kernels what each kernel of the graph became
 */
record Program(
    int batch,
    Operand first,
    Launch input,
    List<Step> steps,
    Results output,
    MemoryPlan plan,
    int handedOver,
    int handedBack,
    List<KernelReport> kernels) {
  /** Copies the lists. */
  Program {
    steps = List.copyOf(steps);
    kernels = List.copyOf(kernels);
  }

  /**
   * Bytes of an arena that is shared by all programs up to a batch size.
   *
   * @param largest the size, of which there is a program
   */
  static long arenaBytes(List<Program> programs, int largest) {
    return programs.stream()
        .filter(program -> program.batch() <= largest)
        .mapToLong(program -> program.plan().bytes())
        .max()
        .orElseThrow();
  }

  /** Bytes on the host through which batches of up to {@code largest} images come and go. */
  static long stagingBytes(Graph graph, Options options, int largest) {
    long image = graph.input().shape().elements() * options.input().bytesPerValue();
    long result = graph.output().shape().elements() * Float.BYTES;
    return largest * (image + result);
  }

  /** Whether a convolution is computed by cuDNN's call from before the graph API. */
  boolean takesLegacyCalls() {
    return steps.stream().anyMatch(Legacy.class::isInstance);
  }

  /** One thing that is enqueued. */
  sealed interface Step {
    /** The name of the node that it is for. */
    String node();

    /** The same in full, for messages. */
    String purpose();
  }

  /**
   * An execution of a cuDNN plan.
   *
   * @param tensors where each tensor of the plan's graph lies, by unique id
   */
  record Planned(
      String node,
      String purpose,
      CudnnKernel kernel,
      Plan plan,
      Map<Long, Operand> tensors,
      Operand workspace)
      implements Step {
    /** Copies the map. */
    Planned {
      tensors = Map.copyOf(tensors);
    }
  }

  /**
   * A convolution by cuDNN's call from before the graph API.
   *
   * @param shortcut what is added; none where the kernel has no such stage
   * @param workspaceBytes its size
   */
  record Legacy(
      String node,
      String purpose,
      CudnnKernel.Convolution kernel,
      Operand x,
      Operand w,
      Operand bias,
      Operand shortcut,
      Operand y,
      Operand workspace,
      long workspaceBytes)
      implements Step {}

  /** A product of matrices by cuBLASLt: {@code y = x * w^T + bias [ReLU]}. */
  record Product(
      String node,
      String purpose,
      MatrixProduct product,
      Operand x,
      Operand w,
      Operand bias,
      Operand y,
      Operand workspace)
      implements Step {}

  /**
   * A launch of one of our own kernels.
   *
   * @param function its name in the module
   * @param blocks blocks of the grid
   * @param threads threads of each block
   * @param arguments in the kernel's order
   */
  record Launch(
      String node,
      String purpose,
      String function,
      int blocks,
      int threads,
      List<Argument> arguments)
      implements Step {
    /** Copies the list. */
    Launch {
      arguments = List.copyOf(arguments);
    }
  }

  /** What hands back the results of any number of images. */
  interface Results {
    /** The launch for that many. */
    Launch of(int images);
  }

  /** What a kernel of our own is given. */
  sealed interface Argument {
    /** An address. */
    record At(Operand operand) implements Argument {}

    /** No address. */
    record Nothing() implements Argument {}

    /** The address that the images are read from, or the results written to. */
    record Caller() implements Argument {}

    /** The pixels of the images that there are, which may be fewer than the batch has room for. */
    record Filled() implements Argument {}

    /** A C {@code int}. */
    record Int(int value) implements Argument {}

    /** A C {@code long long}. */
    record Long(long value) implements Argument {}
  }

  /** Where a tensor lies. */
  sealed interface Operand {
    /**
     * In the slot's arena.
     *
     * @param buffer its index in the plan
     */
    record Activation(int buffer) implements Operand {}

    /**
     * Among the constants.
     *
     * @param offset in bytes
     */
    record Constant(long offset) implements Operand {}

    /**
     * Elsewhere on the device.
     *
     * @param address its address
     */
    record Elsewhere(long address) implements Operand {}

    /** Nowhere: a null pointer. */
    record None() implements Operand {}
  }
}
