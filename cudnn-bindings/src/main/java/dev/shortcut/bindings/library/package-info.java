/** Finds and opens shared libraries, and turns their functions into method handles. */
@NullMarked
package dev.shortcut.bindings.library;

import org.jspecify.annotations.NullMarked;
