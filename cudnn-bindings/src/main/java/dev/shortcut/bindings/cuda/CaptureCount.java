package dev.shortcut.bindings.cuda;

import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Counts the graphs that use something and are not destroyed yet: captured ones, copies of them,
 * and what was instantiated from them. Used by one thread at a time.
 *
 * <p>Each capture gets a user object, whose destructor CUDA calls on a thread of its own. That
 * destructor is the C library's {@code sem_post}, so that nobody comes into the virtual machine
 * that way, which may be about to end.
 */
public final class CaptureCount implements AutoCloseable {
  /** Larger than {@code sem_t} is anywhere. */
  private static final long SEMAPHORE_BYTES = 64;

  private static final NativeLibrary LIBC =
      NativeLibrary.find("the C library", "sem_post")
          .sonames("libc.so.6", "libpthread.so.0")
          .load();
  private static final MemorySegment SEM_POST = LIBC.address("sem_post");
  private static final MethodHandle SEM_INIT =
      LIBC.function("sem_init", CTypes.INT, CTypes.POINTER, CTypes.INT, CTypes.INT);
  private static final MethodHandle SEM_GETVALUE =
      LIBC.function("sem_getvalue", CTypes.INT, CTypes.POINTER, CTypes.POINTER);

  private final CudaFunctions functions;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment released = arena.allocate(SEMAPHORE_BYTES, Long.BYTES);
  private final MemorySegment number = arena.allocate(CTypes.INT);
  private final MemorySegment graph = arena.allocate(CTypes.POINTER);
  private final MemorySegment object = arena.allocate(CTypes.POINTER);
  private int taken;
  private boolean closed;

  /** Counts in one context. */
  public CaptureCount(Context context) {
    functions = context.functions();
    int status;
    try {
      status = (int) SEM_INIT.invokeExact(released, 0, 0);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    checkLibc(status, "sem_init");
  }

  /**
   * Counts the graph that a stream records now until it and all that came of it is destroyed.
   *
   * @param capturing whose context is current
   */
  public void add(Stream capturing) {
    functions.streamGetCaptureInfo(capturing.live(), number, graph);
    functions.userObjectCreate(
        object, released, SEM_POST, 1, CudaFunctions.USER_OBJECT_NO_DESTRUCTOR_SYNC);
    taken++;
    try {
      functions.graphRetainUserObject(
          graph.get(CTypes.POINTER, 0),
          object.get(CTypes.POINTER, 0),
          1,
          CudaFunctions.GRAPH_USER_OBJECT_MOVE);
    } catch (CudaException e) {
      functions.userObjectRelease(object.get(CTypes.POINTER, 0), 1);
      throw e;
    }
  }

  /** How many are not destroyed yet. */
  public int alive() {
    if (closed) {
      return 0;
    }
    int status;
    try {
      status = (int) SEM_GETVALUE.invokeExact(released, number);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    checkLibc(status, "sem_getvalue");
    return taken - number.get(CTypes.INT, 0);
  }

  private static void checkLibc(int status, String function) {
    if (status != 0) {
      throw new IllegalStateException(function + " failed");
    }
  }

  /** Frees its memory, unless graphs would still write to it. */
  @Override
  public void close() {
    if (!closed && alive() == 0) {
      arena.close();
    }
    closed = true;
  }
}
