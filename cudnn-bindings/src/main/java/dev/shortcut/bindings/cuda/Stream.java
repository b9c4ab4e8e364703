package dev.shortcut.bindings.cuda;

import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.NativeHandle;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * A queue of work on a device. Used by one thread at a time, with its context current.
 *
 * <p>Everything but {@link #synchronize}, {@link #done} and the capture only enqueues, and
 * allocates nothing on the Java heap. An error of work is reported by whatever call comes after it.
 */
public final class Stream implements AutoCloseable {
  private final Context context;
  private final CudaFunctions functions;
  private final NativeHandle handle;
  private final MemorySegment captureStatus = Arena.ofAuto().allocate(CTypes.INT);

  Stream(Context context, MemorySegment handle, boolean owned) {
    this.context = context;
    this.functions = context.functions();
    this.handle =
        owned
            ? context.owned("CUDA stream", handle, context.functions()::streamDestroy)
            : NativeHandle.borrowed("CUDA stream", handle);
  }

  /** The {@code CUstream}. */
  public long handle() {
    return live().address();
  }

  /** Marks the end of what has been enqueued so far. */
  public void record(Event event) {
    functions.eventRecord(event.live(), live());
  }

  /** What is enqueued from now on runs after the mark. */
  public void waitFor(Event event) {
    functions.streamWaitEvent(live(), event.live(), 0);
  }

  /**
   * Waits for all work.
   *
   * @throws CudaException if any of it failed
   */
  public void synchronize() {
    functions.streamSynchronize(live());
  }

  /**
   * Whether all work is done.
   *
   * @throws CudaException if any of it failed
   */
  public boolean done() {
    return functions.streamQuery(live());
  }

  /**
   * Copies to the device.
   *
   * @param destination on the device
   * @param source native memory that must stay as it is until the copy has run; from memory that is
   *     not pinned the driver may read before it returns
   */
  public void copyToDevice(long destination, MemorySegment source, long bytes) {
    Objects.checkFromIndexSize(0, bytes, source.byteSize());
    functions.memcpyHtoDAsync(destination, source, bytes, live());
  }

  /**
   * Copies from the device.
   *
   * @param destination native memory that must not be freed until the copy has run; for memory that
   *     is not pinned the call waits
   * @param source on the device
   */
  public void copyToHost(MemorySegment destination, long source, long bytes) {
    Objects.checkFromIndexSize(0, bytes, destination.byteSize());
    if (destination.isReadOnly()) {
      throw new IllegalArgumentException("the destination of a copy is read-only");
    }
    functions.memcpyDtoHAsync(destination, source, bytes, live());
  }

  /** Copies from one place on the device to another that does not overlap it. */
  public void copyOnDevice(long destination, long source, long bytes) {
    functions.memcpyDtoDAsync(destination, source, bytes, live());
  }

  /** Sets every byte of memory on the device. */
  public void fill(long destination, byte value, long bytes) {
    functions.memsetD8Async(destination, value, bytes, live());
  }

  /**
   * Runs a kernel.
   *
   * @param gridX blocks in the first dimension
   * @param gridY blocks in the second
   * @param gridZ blocks in the third
   * @param blockX threads of a block in the first dimension
   * @param blockY threads in the second
   * @param blockZ threads in the third
   * @param sharedBytes shared memory of a block beyond what the kernel declares
   * @param arguments read before the call returns
   */
  public void launch(
      Kernel kernel,
      int gridX,
      int gridY,
      int gridZ,
      int blockX,
      int blockY,
      int blockZ,
      int sharedBytes,
      KernelArguments arguments) {
    functions.launchKernel(
        kernel.live(),
        gridX,
        gridY,
        gridZ,
        blockX,
        blockY,
        blockZ,
        sharedBytes,
        live(),
        arguments.pointers(),
        MemorySegment.NULL);
  }

  /** Runs recorded work; not possible while this stream records. */
  public void launch(GraphExec graph) {
    functions.graphLaunch(graph.live(), live());
  }

  /**
   * Records what is enqueued from now on instead of running it. Until {@link #endCapture}, which
   * the same thread must call, this thread may not make the driver allocate, load or wait; other
   * threads may.
   */
  public void beginCapture() {
    functions.streamBeginCapture(live(), CudaFunctions.CAPTURE_MODE_THREAD_LOCAL);
  }

  /**
   * Ends the recording, on failure too.
   *
   * @throws CudaException with {@link CudaStatus#STREAM_CAPTURE_INVALIDATED} and its like if a call
   *     in between spoiled it; the stream is usable again then
   */
  public Graph endCapture() {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment graph = frame.allocate(CTypes.POINTER);
      functions.streamEndCapture(live(), graph);
      return new Graph(context, graph.get(CTypes.POINTER, 0));
    }
  }

  /** Whether this stream records. */
  public CaptureStatus captureStatus() {
    functions.streamIsCapturing(live(), captureStatus);
    return CaptureStatus.of(captureStatus.get(CTypes.INT, 0));
  }

  /**
   * Hands the stream over: whoever takes it destroys it. This object is closed then.
   *
   * @return the {@code CUstream}
   * @throws IllegalStateException if it is closed, or borrowed and so nobody's to give
   */
  public long detach() {
    return handle.detach().address();
  }

  /** Frees the stream as soon as its work is done; does nothing to a borrowed one. */
  @Override
  public void close() {
    handle.close();
  }

  MemorySegment live() {
    return handle.get();
  }
}
