/** The residual networks as data: depths, blocks and shortcut options. */
@NullMarked
package dev.shortcut.resnet;

import org.jspecify.annotations.NullMarked;
