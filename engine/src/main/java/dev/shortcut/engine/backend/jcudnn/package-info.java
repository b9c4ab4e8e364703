/**
 * cuDNN's calls from before its graph API, through JCuda: a second way to the same GPU, which
 * shares nothing with {@code backend.cudnn} below the graph, so that where the two agree neither is
 * likely to be wrong. JCuda is optional; only {@link
 * dev.shortcut.engine.backend.jcudnn.JCudaLibrary} may be touched before it has been found.
 */
@NullMarked
package dev.shortcut.engine.backend.jcudnn;

import org.jspecify.annotations.NullMarked;
