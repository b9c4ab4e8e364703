/**
 * oneDNN on the CPU, through the Foreign Function and Memory API. To be read in this order: {@code
 * OneDnn} is the C API, {@code Descriptors} and {@code Primitives} keep what it gives out, {@code
 * Lowering} turns a graph into a {@code Program} for one batch size, {@code OneDnnModel} owns
 * everything, {@code OneDnnSlot} runs it.
 */
@NullMarked
package dev.shortcut.engine.backend.onednn;

import org.jspecify.annotations.NullMarked;
