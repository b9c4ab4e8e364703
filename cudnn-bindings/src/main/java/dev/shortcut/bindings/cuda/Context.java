package dev.shortcut.bindings.cuda;

import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.NativeHandle;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A context: the device's memory, modules and streams as one process sees them. Either a share of a
 * device's primary context or one that somebody else owns.
 *
 * <p>Every thread may push and pop it. All methods that make something, and {@link #synchronize}
 * and {@link #memory}, work on whatever context is current on the calling thread, which the caller
 * has to make this one.
 */
public final class Context implements AutoCloseable {
  private static final Logger LOG = System.getLogger(Context.class.getName());

  private final CudaFunctions functions;
  private final MemorySegment handle;
  private final @Nullable CudaDevice retained;

  /**
   * Where the driver writes which context was popped. Nobody reads it, so that all threads may
   * share it, and popping allocates nothing.
   */
  private final MemorySegment popped = Arena.ofAuto().allocate(CTypes.POINTER);

  private volatile boolean closed;

  /**
   * A context.
   *
   * @param retained the device whose primary context this is; null if it is borrowed
   */
  Context(CudaFunctions functions, MemorySegment handle, @Nullable CudaDevice retained) {
    this.functions = functions;
    this.handle = handle;
    this.retained = retained;
  }

  /** Something that frees a native object. */
  @FunctionalInterface
  interface Release {
    void run();
  }

  /** Makes this context current on the calling thread, above the one that was. */
  public void push() {
    functions.ctxPushCurrent(live());
  }

  /** Undoes the last {@link #push} of the calling thread. */
  public void pop() {
    functions.ctxPopCurrent(popped);
  }

  /**
   * Waits for all work of the current context.
   *
   * @throws CudaException if any of it failed
   */
  public void synchronize() {
    live();
    functions.ctxSynchronize();
  }

  /** The memory of the device as it is now. */
  public MemoryInfo memory() {
    live();
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment free = frame.allocate(CTypes.SIZE_T);
      MemorySegment total = frame.allocate(CTypes.SIZE_T);
      functions.memGetInfo(free, total);
      return new MemoryInfo(free.get(CTypes.SIZE_T, 0), total.get(CTypes.SIZE_T, 0));
    }
  }

  /** The {@code CUcontext}. */
  public long handle() {
    return live().address();
  }

  /** A stream that does not wait for the default stream, nor that for it. */
  public Stream newStream() {
    live();
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment stream = frame.allocate(CTypes.POINTER);
      functions.streamCreate(stream, CudaFunctions.STREAM_NON_BLOCKING);
      return new Stream(this, stream.get(CTypes.POINTER, 0), true);
    }
  }

  /** An event that orders work and takes no time stamps; who waits for it spins. */
  public Event newEvent() {
    return event(CudaFunctions.EVENT_DISABLE_TIMING);
  }

  /**
   * An event that orders work and takes no time stamps; who waits for it sleeps, which frees a
   * processor and takes some microseconds longer.
   */
  public Event newBlockingEvent() {
    return event(CudaFunctions.EVENT_DISABLE_TIMING | CudaFunctions.EVENT_BLOCKING_SYNC);
  }

  /** An event that also takes a time stamp ({@link Event#millisSince}). */
  public Event newTimedEvent() {
    return event(0);
  }

  /**
   * Memory on the device, of unknown content, aligned to 256 bytes at least.
   *
   * @param bytes more than 0
   * @throws CudaException with {@link CudaStatus#OUT_OF_MEMORY} if the device has too little
   */
  public DeviceMemory allocate(long bytes) {
    live();
    checkBytes(bytes);
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment address = frame.allocate(CTypes.LONG);
      functions.memAlloc(address, bytes);
      return new DeviceMemory(this, address.get(CTypes.LONG, 0), bytes, true);
    }
  }

  /**
   * Memory on the host, of unknown content, that the devices of all contexts copy from and to while
   * the host goes on.
   *
   * @param bytes more than 0
   * @throws CudaException with {@link CudaStatus#OUT_OF_MEMORY} if the host cannot pin so much
   */
  public PinnedMemory allocatePinned(long bytes) {
    live();
    checkBytes(bytes);
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment pointer = frame.allocate(CTypes.POINTER);
      functions.memHostAlloc(pointer, bytes, CudaFunctions.MEMHOSTALLOC_PORTABLE);
      return new PinnedMemory(this, pointer.get(CTypes.POINTER, 0), bytes);
    }
  }

  /**
   * Loads kernels.
   *
   * @param image machine code (cubin), or PTX with a null byte at its end, which the driver
   *     compiles
   * @throws CudaException with what the driver's compiler said
   */
  public CudaModule load(MemorySegment image) {
    live();
    return CudaModule.load(this, image);
  }

  /** Gives a primary context back; does nothing to a borrowed one. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    if (retained != null) {
      try {
        functions.devicePrimaryCtxRelease(retained.number());
      } catch (CudaException e) {
        LOG.log(Level.WARNING, "a context of device " + retained + " was not given back", e);
      }
    }
  }

  CudaFunctions functions() {
    return functions;
  }

  MemorySegment live() {
    if (closed) {
      throw new IllegalStateException("this CUDA context is closed");
    }
    return handle;
  }

  /** What was made in this context, and is destroyed with it current, on whatever thread. */
  NativeHandle owned(String what, MemorySegment made, Consumer<MemorySegment> destroy) {
    return NativeHandle.owned(what, made, closing -> release(what, () -> destroy.accept(closing)));
  }

  /**
   * Frees something with this context current, on whatever thread; a failure is logged, since
   * nobody could do anything about it on the way down.
   */
  void release(String what, Release release) {
    if (closed) {
      // With its last share a primary context takes all that was made in it along.
      LOG.log(Level.WARNING, "a {0} was closed after its CUDA context", what);
      return;
    }
    CudaException failure = null;
    boolean pushed = false;
    try {
      functions.ctxPushCurrent(handle);
      pushed = true;
    } catch (CudaException e) {
      // Whoever closes has often made the context current himself, so this is no reason to give up.
      failure = e;
    }
    try {
      release.run();
    } catch (CudaException e) {
      failure = e;
    }
    try {
      if (pushed) {
        functions.ctxPopCurrent(popped);
      }
    } catch (CudaException e) {
      failure = e;
    }
    // Only here: logging may park, and a parked virtual thread may go on where another context is
    // current.
    if (failure != null) {
      LOG.log(Level.WARNING, "a " + what + " was not freed", failure);
    }
  }

  private Event event(int flags) {
    live();
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment event = frame.allocate(CTypes.POINTER);
      functions.eventCreate(event, flags);
      return new Event(this, event.get(CTypes.POINTER, 0), true);
    }
  }

  private static void checkBytes(long bytes) {
    if (bytes < 1) {
      throw new IllegalArgumentException("cannot allocate %d bytes".formatted(bytes));
    }
  }
}
