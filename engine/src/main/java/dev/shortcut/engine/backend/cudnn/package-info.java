/**
 * The backend on cuDNN, cuBLASLt and a few kernels of our own, for NVIDIA GPUs.
 *
 * <p>{@link dev.shortcut.engine.backend.cudnn.Lowering} turns the graph into a {@link
 * dev.shortcut.engine.backend.cudnn.Program}, a list of steps without addresses, asking {@link
 * dev.shortcut.engine.backend.cudnn.Planner} for a cuDNN plan of each; {@link
 * dev.shortcut.engine.backend.cudnn.CudnnModel} owns what is made of it, and each {@link
 * dev.shortcut.engine.backend.cudnn.CudnnSlot} runs it.
 */
@NullMarked
package dev.shortcut.engine.backend.cudnn;

import org.jspecify.annotations.NullMarked;
