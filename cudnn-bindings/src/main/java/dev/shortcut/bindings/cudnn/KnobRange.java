package dev.shortcut.bindings.cudnn;

/**
 * The values that a setting of an engine takes.
 *
 * @param type which setting
 * @param minimum the smallest value
 * @param maximum the largest value
 * @param stride distance between two values
 */
public record KnobRange(KnobType type, long minimum, long maximum, long stride) {}
