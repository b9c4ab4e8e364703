package dev.shortcut.engine.backend;

import dev.shortcut.engine.DeviceUnavailableException;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.MemoryReport;
import java.util.List;

/**
 * A graph made ready for a device: owns its weights, its slots and every native object; closed
 * after the last run.
 */
public interface CompiledModel extends AutoCloseable {
  /** The bytes that it takes, known before anything runs. */
  MemoryReport memory();

  /** What each kernel became, for every batch size, in the order of the schedule. */
  List<KernelReport> kernels();

  /** The slots, as many as the options asked for. */
  List<Slot> slots();

  /**
   * A set of buffers for an embedder, beside the slots; closed before the model is. A backend whose
   * memory is the host's has none.
   *
   * @param images how many make up each of its batches; at most the largest compiled size
   * @param input what its batches look like, which need not be what the slots take
   * @param others bytes of those that are open already, which count against the memory limit
   * @throws DeviceUnavailableException if this backend has no device
   * @throws dev.shortcut.engine.MemoryLimitException before anything is allocated
   */
  default ExecutionSlot execution(int images, InputFormat input, long others) {
    throw new DeviceUnavailableException(
        "an execution takes addresses on a GPU and a CUDA stream, but this engine runs on the CPU;"
            + " open it on a GPU, or use its run method");
  }

  /** Frees everything, newest first; idempotent. No slot may be running. */
  @Override
  void close();
}
