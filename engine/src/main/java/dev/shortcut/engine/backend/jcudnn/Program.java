package dev.shortcut.engine.backend.jcudnn;

import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.memory.MemoryPlan;
import java.util.ArrayList;
import java.util.List;
import jcuda.jcudnn.cudnnActivationDescriptor;
import jcuda.jcudnn.cudnnConvolutionDescriptor;
import jcuda.jcudnn.cudnnFilterDescriptor;
import jcuda.jcudnn.cudnnPoolingDescriptor;
import jcuda.jcudnn.cudnnTensorDescriptor;

/**
 * What a batch of one size runs, images as they are handed over at its beginning and floats at its
 * end, and where everything lies. Immutable and without addresses, so that a device's slots share
 * it.
 *
 * @param batch images
 * @param steps in order
 * @param plan places in the arena
 * @param images what the first step makes of those that are handed over
 * @param handedOver the buffer that images are copied to
 * @param handedBack where results are copied from
 * @param resultElements floats of an image's results
 * @param kernels what each kernel of the graph became
 */
record Program(
    int batch,
    List<Step> steps,
    MemoryPlan plan,
    Images images,
    int handedOver,
    Place handedBack,
    long resultElements,
    List<KernelReport> kernels) {
  /** Copies the lists. */
  Program {
    steps = List.copyOf(steps);
    kernels = List.copyOf(kernels);
  }

  /**
   * The same between other edges: an execution's, which alone touch what is the caller's.
   *
   * @param input takes the place of the first step
   * @param output comes behind the last one
   */
  Program between(Launch input, Launch output) {
    List<Step> all = new ArrayList<>(steps);
    all.set(0, new Step(steps.getFirst().node(), steps.getFirst().purpose(), input));
    all.add(new Step("output", "handing the results back", output));
    return new Program(batch, all, plan, images, handedOver, handedBack, resultElements, kernels);
  }

  /**
   * Images as the layers read them.
   *
   * @param shape of one in the graph
   * @param stored channels that lie in memory, the last of them zeros where they are more
   * @param place where they begin
   */
  record Images(Shape shape, int stored, Place place) {}

  /**
   * Something that is enqueued.
   *
   * @param node the name of the node that it is for
   * @param purpose the same in full, for messages
   * @param work what it does
   */
  record Step(String node, String purpose, Work work) {}

  /** What a step does. */
  sealed interface Work {}

  /**
   * {@code y = activation(convolution(x) + z + bias)}.
   *
   * @param z what is added, which may be y; nowhere if nothing is
   */
  record Convolution(
      cudnnTensorDescriptor xLayout,
      Place x,
      cudnnFilterDescriptor filterLayout,
      Place filters,
      cudnnConvolutionDescriptor convolution,
      Place workspace,
      long workspaceBytes,
      Place z,
      cudnnTensorDescriptor biasLayout,
      Place bias,
      cudnnActivationDescriptor activation,
      cudnnTensorDescriptor yLayout,
      Place y)
      implements Work {}

  /** Maxima or means over windows. */
  record Pooling(
      cudnnPoolingDescriptor pooling,
      cudnnTensorDescriptor xLayout,
      Place x,
      cudnnTensorDescriptor yLayout,
      Place y)
      implements Work {}

  /** {@code exp(x) / sum(exp(x))} over channels. */
  record Softmax(cudnnTensorDescriptor layout, Place x, Place y) implements Work {}

  /**
   * {@code sums = x * rows^T} in floats.
   *
   * @param outputs how many rows
   * @param depth values of a row and of an image
   */
  record Product(int outputs, int depth, Place x, Place rows, Place sums, Place workspace)
      implements Work {}

  /**
   * One of our own kernels.
   *
   * @param function its name
   * @param count values of its result
   * @param arguments places, and the numbers of C's {@code int} and {@code long long} as {@code
   *     Integer} and {@code Long}, in the kernel's order
   */
  record Launch(String function, long count, List<Object> arguments) implements Work {
    /** Copies the list. */
    Launch {
      arguments = List.copyOf(arguments);
    }
  }

  /** Where something lies. */
  sealed interface Place {
    /**
     * In the slot's arena.
     *
     * @param buffer its index in the plan
     */
    record InArena(int buffer) implements Place {}

    /**
     * Among the constants.
     *
     * @param offset bytes from their beginning
     */
    record Constant(long offset) implements Place {}

    /**
     * Somewhere else on the device.
     *
     * @param address where
     */
    record Elsewhere(DeviceAddress address) implements Place {}

    /** Where the caller's images begin: another place in each call, which only kernels are told. */
    record CallersImages() implements Place {}

    /** Where the caller wants the results, likewise. */
    record CallersResults() implements Place {}

    /** Nowhere: a null pointer. */
    record Nowhere() implements Place {}
  }
}
