package dev.shortcut.engine.cost;

import dev.shortcut.engine.graph.Node;

/**
 * What one layer of the graph as defined costs. What a fused kernel costs is counted where the
 * kernel begins, at its convolution or linear layer.
 *
 * @param node the layer in its graph
 * @param cost for one image
 */
public record LayerCost(Node node, Cost cost) {}
