package dev.shortcut.bindings.cudnn;

/**
 * A setting with its value; together with the engine's index these rebuild an engine configuration.
 *
 * @param type which setting
 * @param value what it is set to
 */
public record KnobChoice(KnobType type, long value) {
  /** Such as {@code TILE_SIZE=5}. */
  @Override
  public String toString() {
    return type + "=" + value;
  }
}
