package dev.shortcut.bindings.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Work that is launched as a whole ({@link Stream#launch(GraphExec)}). Not thread-safe. */
public final class GraphExec implements AutoCloseable {
  private final Context context;
  private final MemorySegment handle;
  private boolean closed;

  GraphExec(Context context, MemorySegment handle) {
    this.context = context;
    this.handle = handle;
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
    if (!closed) {
      closed = true;
      context.release(
          "instantiated CUDA graph", () -> context.functions().graphExecDestroy(handle));
    }
  }

  MemorySegment live() {
    if (closed) {
      throw new IllegalStateException("this instantiated CUDA graph is closed");
    }
    return handle;
  }
}
