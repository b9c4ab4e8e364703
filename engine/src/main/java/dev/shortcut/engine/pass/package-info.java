/**
 * Graph to graph: what is done to a network between its definition and its compilation. {@link
 * dev.shortcut.engine.pass.Passes#all} is the one ordered list; each pass is a pure function.
 * {@link dev.shortcut.engine.pass.Folding} is the arithmetic that the passes only record.
 */
@NullMarked
package dev.shortcut.engine.pass;

import org.jspecify.annotations.NullMarked;
