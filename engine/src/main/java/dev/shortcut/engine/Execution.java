package dev.shortcut.engine;

import dev.shortcut.engine.backend.ExecutionSlot;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * An engine's network inside of a CUDA program: batches that lie in the program's device memory run
 * on the program's streams and leave their results in its device memory. Nothing is copied to the
 * host, nothing is synchronised and nothing is allocated by {@link #enqueue}.
 *
 * <p>The program's memory and streams must belong to the context that the engine runs in: a
 * device's primary context, which the CUDA runtime uses too, or the one that {@link
 * DeviceChoice.Context} named.
 *
 * <p>A stream may be capturing when a batch is enqueued on it; the batch's kernels then become
 * nodes of the program's graph, which may be launched any number of times. It reads and writes the
 * captured addresses, and this execution's buffers: graphs that captured it must be destroyed
 * before it is closed, and must not run at the same time as another run of it. Outside of captures
 * that order is kept for the caller, whatever streams he uses.
 *
 * <pre>{@code
 * try (Engine engine = Engine.open(model, options.withDevices(new DeviceChoice.CurrentContext()));
 *     Execution x = engine.execution(32, new InputFormat.Float32Nchw())) {
 *   x.enqueue(new DeviceBuffer(in, inBytes), new DeviceBuffer(out, outBytes), stream);
 * }
 * }</pre>
 *
 * <p>May be used by any number of threads, virtual ones included; they enqueue one after another.
 */
public final class Execution implements AutoCloseable {
  private final ExecutionSlot slot;
  private final String network;
  private final int images;
  private final long inputBytes;
  private final long outputBytes;
  private final int inputAlignment;
  private final Consumer<Execution> onClose;

  // Taken before the slot pushes its context, and kept until it has popped it: nothing in between
  // may park.
  private final ReentrantLock lock = new ReentrantLock();
  private boolean closed;

  Execution(
      ExecutionSlot slot,
      String network,
      int images,
      long inputBytes,
      long outputBytes,
      int inputAlignment,
      Consumer<Execution> onClose) {
    this.slot = slot;
    this.network = network;
    this.images = images;
    this.inputBytes = inputBytes;
    this.outputBytes = outputBytes;
    this.inputAlignment = inputAlignment;
    this.onClose = onClose;
  }

  /** How many images make up a batch. */
  public int images() {
    return images;
  }

  /** Bytes of a batch's images. */
  public long inputBytes() {
    return inputBytes;
  }

  /** Bytes of a batch's results: floats, one image's behind another's. */
  public long outputBytes() {
    return outputBytes;
  }

  /** Device memory that it holds beyond the engine's own, in bytes. */
  public long bytes() {
    return slot.bytes();
  }

  /**
   * Enqueues one batch and returns at once. The calling thread's current context is the same
   * afterwards. Both buffers must stay allocated until the stream has come past this batch; they
   * must not overlap.
   *
   * @param input begins with {@link #inputBytes} bytes of images
   * @param output begins with room for {@link #outputBytes} bytes of results
   * @param stream the {@code CUstream} or {@code cudaStream_t}; 0 is the context's default stream
   * @throws IllegalArgumentException if a buffer is too small or its address not aligned
   * @throws IllegalStateException if it is closed
   */
  public void enqueue(DeviceBuffer input, DeviceBuffer output, long stream) {
    check("input", input, inputBytes, inputAlignment);
    check("output", output, outputBytes, Float.BYTES);
    lock.lock();
    try {
      if (closed) {
        throw new IllegalStateException("the execution is closed");
      }
      slot.enqueue(input.address(), output.address(), stream);
    } finally {
      lock.unlock();
    }
  }

  private void check(String what, DeviceBuffer buffer, long bytes, int alignment) {
    if (buffer.bytes() < bytes) {
      throw new IllegalArgumentException(
          "the %s buffer has %d bytes, but %d images of %s need %d"
              .formatted(what, buffer.bytes(), images, network, bytes));
    }
    if (buffer.address() % alignment != 0) {
      throw new IllegalArgumentException(
          "the %s buffer begins at 0x%x, which is no multiple of %d"
              .formatted(what, buffer.address(), alignment));
    }
  }

  /** How many graphs of the caller's captured it and are not destroyed yet. */
  public int capturedGraphs() {
    lock.lock();
    try {
      return closed ? 0 : slot.capturedGraphs();
    } finally {
      lock.unlock();
    }
  }

  void requireNoGraphs() {
    int graphs = capturedGraphs();
    if (graphs > 0) {
      throw new IllegalStateException(
          "cannot close an execution of %s: %d CUDA graphs that captured it would run on freed memory; destroy them first"
              .formatted(network, graphs));
    }
  }

  /**
   * Waits for the last batch that was enqueued and frees its buffers. Idempotent.
   *
   * @throws IllegalStateException if a graph that captured it is not destroyed yet; it stays open
   *     then
   */
  @Override
  public void close() {
    boolean first = false;
    lock.lock();
    try {
      requireNoGraphs();
      first = !closed;
      closed = true;
      if (first) {
        slot.close();
      }
    } finally {
      lock.unlock();
      if (first) {
        // Without the lock, which the engine takes while it holds its own.
        onClose.accept(this);
      }
    }
  }

  /** The network and its batch. */
  @Override
  public String toString() {
    return "execution of %s, batches of %d".formatted(network, images);
  }
}
