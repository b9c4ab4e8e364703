/**
 * Networks as values: {@link dev.shortcut.engine.graph.Layer layers} are records of numbers, {@link
 * dev.shortcut.engine.graph.Node nodes} put them behind one another, a {@link
 * dev.shortcut.engine.graph.Graph} is the schedule. Nothing here holds weights, knows a batch size,
 * or knows a backend.
 */
@NullMarked
package dev.shortcut.engine.graph;

import org.jspecify.annotations.NullMarked;
