package dev.shortcut.engine;

/**
 * The memory of a compiled model in bytes, in the backend's own layouts with alignment included;
 * known before anything runs. Activations and workspace are counted for each slot, weights once.
 *
 * @param weights folded and reordered weights and biases, shared by all slots and batch sizes
 * @param arenaPerSlot activations of one slot, kernel scratch space that lies among them included
 * @param workspacePerSlot scratch space of one slot that lies outside of its arena
 * @param stagingPerSlot host memory of one slot through which batches enter and leave, pinned where
 *     there is a GPU
 * @param slots number of slots
 */
public record MemoryReport(
    long weights, long arenaPerSlot, long workspacePerSlot, long stagingPerSlot, int slots) {
  /** Bytes of all slots and the weights together. */
  public long total() {
    return weights + slots * (arenaPerSlot + workspacePerSlot + stagingPerSlot);
  }
}
