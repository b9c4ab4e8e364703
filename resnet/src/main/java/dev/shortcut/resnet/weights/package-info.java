/**
 * Where a network's numbers come from: safetensors and PyTorch files, and seeded random weights for
 * tests and benchmarks.
 *
 * <p>Every source is a {@link dev.shortcut.engine.graph.Weights}, names its tensors as torchvision
 * does, and knows its {@linkplain dev.shortcut.resnet.weights.WeightsSource#fingerprint()
 * fingerprint}.
 *
 * <pre>{@code
 * try (WeightsFile weights = WeightsFile.open(Path.of("resnet50-0676ba61.pth"))) {
 *   float[] stem = weights.read("conv1.weight"); // 64x3x7x7, row-major
 * }
 * }</pre>
 *
 * <p>Files are taken to be hostile: nothing in them is executed, every extent and offset is checked
 * before it is used, and what is wrong with a file comes out as a {@link
 * dev.shortcut.engine.ModelException}.
 */
@NullMarked
package dev.shortcut.resnet.weights;

import org.jspecify.annotations.NullMarked;
