/**
 * Tensors of other libraries, in this process and without a copy, as <a
 * href="https://dmlc.github.io/dlpack/latest/">DLPack</a> describes them: an address, a device, a
 * type, a shape and strides ({@link dev.shortcut.bindings.dlpack.DlTensor}), and who frees it
 * ({@link dev.shortcut.bindings.dlpack.DlManagedTensor}). The structs are those of DLPack 1.3, of
 * which {@code DLManagedTensor} has been the same since before 0.6.
 *
 * <p>A batch of floats that another library has on a GPU, checked before it is used:
 *
 * <pre>{@code
 * try (DlManagedTensor images = DlManagedTensor.take(pointer)) {
 *   DlTensor x = images.tensor().require(DlDevice.cuda(0), DlType.FLOAT32, 32, 3, 224, 224);
 *   execution.enqueue(new DeviceBuffer(x.address(), x.bytes()), logits, stream);
 *   // Closed, and so freed by whoever made it, after the stream was waited for.
 * }
 * }</pre>
 *
 * <p>DLPack says nothing of streams: whoever hands a tensor over and whoever takes it must agree on
 * when its content is there.
 */
@NullMarked
package dev.shortcut.bindings.dlpack;

import org.jspecify.annotations.NullMarked;
