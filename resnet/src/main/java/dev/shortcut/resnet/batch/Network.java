package dev.shortcut.resnet.batch;

import java.lang.foreign.MemorySegment;

/**
 * What a batch of pictures is run through: an engine, of which as many batches may run at once as
 * it has slots.
 */
@FunctionalInterface
interface Network {
  /** Runs {@code images} pictures and returns when their results are in {@code output}. */
  void run(MemorySegment input, MemorySegment output, int images) throws InterruptedException;
}
