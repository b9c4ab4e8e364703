/**
 * The contract between the engine and the ways to run a graph; one sub-package for each backend,
 * all with the same set of files.
 */
@NullMarked
package dev.shortcut.engine.backend;

import org.jspecify.annotations.NullMarked;
