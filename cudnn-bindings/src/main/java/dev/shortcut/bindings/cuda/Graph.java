package dev.shortcut.bindings.cuda;

import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.NativeHandle;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Recorded work, which runs after it is instantiated. Not thread-safe. */
public final class Graph implements AutoCloseable {
  private final Context context;
  private final NativeHandle handle;

  Graph(Context context, MemorySegment handle) {
    this.context = context;
    this.handle = context.owned("CUDA graph", handle, context.functions()::graphDestroy);
  }

  /** How many kernels, copies and fills were recorded. */
  public int nodes() {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment count = frame.allocate(CTypes.SIZE_T);
      context.functions().graphGetNodes(live(), MemorySegment.NULL, count);
      return Math.toIntExact(count.get(CTypes.SIZE_T, 0));
    }
  }

  /** Makes it ready for launching; what is returned no longer needs the graph. */
  public GraphExec instantiate() {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment exec = frame.allocate(CTypes.POINTER);
      context.functions().graphInstantiateWithFlags(exec, live(), 0);
      return new GraphExec(context, exec.get(CTypes.POINTER, 0));
    }
  }

  /** Frees it. */
  @Override
  public void close() {
    handle.close();
  }

  MemorySegment live() {
    return handle.get();
  }
}
