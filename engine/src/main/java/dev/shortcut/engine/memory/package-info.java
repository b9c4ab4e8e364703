/**
 * Where activations lie: {@link dev.shortcut.engine.memory.Liveness} says from which step to which
 * step a graph needs each of them, {@link dev.shortcut.engine.memory.MemoryPlanner} gives them
 * places in one arena. Pure functions; nothing here allocates native memory or knows a backend's
 * layouts.
 */
@NullMarked
package dev.shortcut.engine.memory;

import org.jspecify.annotations.NullMarked;
