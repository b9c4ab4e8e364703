/**
 * NVRTC, the compiler of CUDA C at run time. It needs neither a GPU nor a toolkit; without one it
 * finds no header, so that a source must include none.
 *
 * <pre>{@code
 * Nvrtc nvrtc = Nvrtc.open(12);
 * CompiledProgram program =
 *     nvrtc.compile("twice.cu", source, new ComputeCapability(9, 0), List.of("--fmad=false"));
 * try (Arena frame = Arena.ofConfined()) {
 *   module = context.load(program.image(frame));
 * }
 * }</pre>
 */
@NullMarked
package dev.shortcut.bindings.nvrtc;

import org.jspecify.annotations.NullMarked;
