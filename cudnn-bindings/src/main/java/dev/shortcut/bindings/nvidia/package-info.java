/**
 * NVIDIA's libraries as one set: the driver, cuDNN, cuBLASLt and NVRTC, of versions that fit
 * together.
 *
 * <pre>{@code
 * NvidiaLibraries libraries = NvidiaLibraries.open(); // or an exception that says what to install
 * Context context = libraries.cuda().devices().getFirst().retainPrimary();
 * }</pre>
 */
@NullMarked
package dev.shortcut.bindings.nvidia;

import org.jspecify.annotations.NullMarked;
