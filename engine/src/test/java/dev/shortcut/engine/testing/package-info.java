/** Test support that the other modules' tests share. */
@NullMarked
package dev.shortcut.engine.testing;

import org.jspecify.annotations.NullMarked;
