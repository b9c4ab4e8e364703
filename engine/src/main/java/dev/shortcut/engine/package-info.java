/** What users of the engine call. */
@NullMarked
package dev.shortcut.engine;

import org.jspecify.annotations.NullMarked;
