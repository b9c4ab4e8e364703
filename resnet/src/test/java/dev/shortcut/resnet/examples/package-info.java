/** Programs that the documentation shows; compiled and run as tests. */
@NullMarked
package dev.shortcut.resnet.examples;

import org.jspecify.annotations.NullMarked;
