/**
 * cuDNN 9 through its graph (backend) API: convolutions, pointwise operations and poolings are
 * described as descriptors, joined into operation graphs, planned for a device that may be present
 * or only described, and executed on a stream.
 *
 * <p>The order in which things are made is the order in which cuDNN wants them: {@link
 * dev.shortcut.bindings.cudnn.Tensor}, {@link dev.shortcut.bindings.cudnn.Operation}, {@link
 * dev.shortcut.bindings.cudnn.OperationGraph}, {@link dev.shortcut.bindings.cudnn.Heuristics},
 * {@link dev.shortcut.bindings.cudnn.EngineConfig}, {@link
 * dev.shortcut.bindings.cudnn.ExecutionPlan}, {@link dev.shortcut.bindings.cudnn.VariantPack}.
 * Every descriptor belongs to the {@link dev.shortcut.bindings.library.Closer} that it was made
 * with, which destroys them newest first. None of this needs a GPU up to the plan; {@link
 * dev.shortcut.bindings.cudnn.CudnnHandle} does.
 *
 * <p>{@link dev.shortcut.bindings.cudnn.LegacyConvolutionPlan} is the one call from before the
 * graph API, for what that has no plan for.
 */
@NullMarked
package dev.shortcut.bindings.cudnn;

import org.jspecify.annotations.NullMarked;
