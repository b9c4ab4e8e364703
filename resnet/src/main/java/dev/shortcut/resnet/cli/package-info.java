/**
 * The commands: {@code ./shortcut COMMAND}. They only call the libraries; nothing else depends on
 * them.
 */
@NullMarked
package dev.shortcut.resnet.cli;

import org.jspecify.annotations.NullMarked;
