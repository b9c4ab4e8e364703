package dev.shortcut.engine.backend.onednn;

import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.backend.TopChannels;
import dev.shortcut.engine.memory.MemoryPlan;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What one batch size runs: calls in order, and where everything that they touch lies. Immutable,
 * without addresses, so that all slots share it.
 *
 * @param batch images
 * @param calls what is executed, in order
 * @param plan the places of all activations and scratch space in the arena
 * @param converted the buffer that the input is converted into before the first call, for pixels
 * @param ranking what is done by our own code behind the last call, for top-k
 * @param kernels what each kernel of the graph became
 */
record Program(
    int batch,
    List<Call> calls,
    MemoryPlan plan,
    OptionalInt converted,
    Optional<Ranking> ranking,
    List<KernelReport> kernels) {
  /** Copies the lists. */
  Program {
    calls = List.copyOf(calls);
    kernels = List.copyOf(kernels);
  }

  /**
   * One execution of a primitive.
   *
   * @param node the name of the node that it is for
   * @param purpose the same in full, for messages
   */
  record Call(String node, String purpose, Primitive primitive, List<Argument> arguments) {}

  /**
   * One tensor that a primitive reads or writes.
   *
   * @param index one of oneDNN's argument numbers
   */
  record Argument(int index, Descriptor layout, Operand operand) {}

  /**
   * What oneDNN has no primitive for.
   *
   * @param node the name of the node that it is for
   * @param source where the floats to be ranked lie, in channel, row, column order
   * @param top what is computed of them for each image, to the caller's output
   */
  record Ranking(String node, Operand.Activation source, TopChannels top) {}

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

    /** In the caller's input. */
    record Input() implements Operand {}

    /** In the caller's output. */
    record Output() implements Operand {}
  }
}
