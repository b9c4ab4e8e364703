/**
 * Finding and opening shared libraries, calling their functions and owning what they give out.
 *
 * <p>A library is searched for in a numbered order that can be read off the code, and an error
 * lists every place that was tried with the loader's own reason:
 *
 * <pre>{@code
 * NativeLibrary cudnn =
 *     NativeLibrary.find("cuDNN", "cudnnGetVersion")
 *         .property("cudnn.library") // -Dcudnn.library=FILE always wins
 *         .environment("CUDNN_LIBRARY")
 *         .sonames("libcudnn.so.9") // then whatever the system's loader finds
 *         .folders("CUDA toolkit", "/usr/local/cuda*&#47;lib64")
 *         .wheels("nvidia/cudnn/lib")
 *         .load();
 * MethodHandle version = cudnn.function("cudnnGetVersion", CTypes.SIZE_T);
 * }</pre>
 */
@NullMarked
package dev.shortcut.bindings.library;

import org.jspecify.annotations.NullMarked;
