package dev.shortcut.resnet.weights;

/**
 * Text out of a file, made fit for a message: short, and without characters that a terminal obeys.
 */
final class Printable {
  private static final int LONGEST = 120;

  private Printable() {}

  /** The text with control characters spelled out and the end cut off after 120 characters. */
  static String of(String text) {
    var printable = new StringBuilder();
    text.codePoints()
        .limit(LONGEST)
        .forEach(c -> {
          if (isPlain(c)) {
            printable.appendCodePoint(c);
          } else {
            printable.append("\\u{%x}".formatted(c));
          }
        });
    return text.codePointCount(0, text.length()) > LONGEST
        ? printable + "..."
        : printable.toString();
  }

  /** Whether the text can be printed as it is. */
  static boolean isPlain(String text) {
    return text.codePoints().allMatch(Printable::isPlain);
  }

  private static boolean isPlain(int c) {
    return switch (Character.getType(c)) {
      // FORMAT holds the marks that turn the direction of text around.
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.UNASSIGNED,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          false;
      default -> true;
    };
  }
}
