/**
 * What happens between a caller and a compiled model: slots with their threads, which callers lease
 * first come first served, and the cutting of requests into compiled batch sizes.
 */
@NullMarked
package dev.shortcut.engine.session;

import org.jspecify.annotations.NullMarked;
