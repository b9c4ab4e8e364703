package dev.shortcut.bindings.cuda;

import dev.shortcut.bindings.library.NativeHandle;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Work that is launched as a whole ({@link Stream#launch(GraphExec)}). Not thread-safe. */
public final class GraphExec implements AutoCloseable {
  private final Context context;
  private final NativeHandle handle;

  GraphExec(Context context, MemorySegment handle) {
    this.context = context;
    this.handle =
        context.owned("instantiated CUDA graph", handle, context.functions()::graphExecDestroy);
  }

  /**
   * Takes over the pointers and sizes of a graph of the same shape.
   *
   * @throws CudaException with {@link CudaStatus#GRAPH_EXEC_UPDATE_FAILURE} if the shapes differ;
   *     this is as it was then
   */
  public void update(Graph graph) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment result = frame.allocate(CudaFunctions.UPDATE_RESULT_BYTES, 8);
      context.functions().graphExecUpdate(live(), graph.live(), result);
    }
  }

  /** Frees it; launches that are under way must have been waited for. */
  @Override
  public void close() {
    handle.close();
  }

  MemorySegment live() {
    return handle.get();
  }
}
