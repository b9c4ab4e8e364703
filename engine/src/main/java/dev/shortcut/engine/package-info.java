/**
 * What users call: an engine is opened with a model and options, and runs batches from any number
 * of threads.
 */
@NullMarked
package dev.shortcut.engine;

import org.jspecify.annotations.NullMarked;
