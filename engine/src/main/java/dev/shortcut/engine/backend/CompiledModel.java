package dev.shortcut.engine.backend;

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

  /** Frees everything, newest first; idempotent. No slot may be running. */
  @Override
  void close();
}
