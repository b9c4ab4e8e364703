package dev.shortcut.engine;

import dev.shortcut.engine.graph.Node;

/**
 * What one kernel of a compiled model became.
 *
 * @param node the node of the graph after passes
 * @param batch the batch size that this was chosen for
 * @param implementation the backend's own name of what computes it, such as {@code jit:avx512_core}
 * @param arenaOffset where its output lies in the arena, bytes; -1 where it is not in the arena
 * @param outputBytes bytes of its output in the backend's layout
 * @param scratchBytes bytes of scratch space that it asks for
 */
public record KernelReport(
    Node node,
    int batch,
    String implementation,
    long arenaOffset,
    long outputBytes,
    long scratchBytes) {}
