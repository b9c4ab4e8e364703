package dev.shortcut.resnet.batch;

/** What the rows of one job hold. */
sealed interface RowKind {
  /**
   * The most likely classes.
   *
   * @param count how many
   */
  record Top(int count) implements RowKind {}

  /**
   * All values that the network gives.
   *
   * @param name what they are, such as {@code features}
   * @param size how many
   */
  record Values(String name, int size) implements RowKind {}
}
