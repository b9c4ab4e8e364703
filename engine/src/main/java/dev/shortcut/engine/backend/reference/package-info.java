/**
 * Plain Java with double sums: slow and obviously right. The other backends are judged by it, and
 * it is a backend like them.
 */
@NullMarked
package dev.shortcut.engine.backend.reference;

import org.jspecify.annotations.NullMarked;
