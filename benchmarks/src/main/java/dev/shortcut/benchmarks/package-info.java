/** Benchmarks of the engine, alone and beside its peers. */
@NullMarked
package dev.shortcut.benchmarks;

import org.jspecify.annotations.NullMarked;
