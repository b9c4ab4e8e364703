package dev.shortcut.engine;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads as much of JSON as descriptions of GPUs consist of: one object of whole numbers, texts
 * without escapes, and lists of whole numbers. Everything else is refused.
 */
final class DescriptionReader {
  private static final Pattern SPACE = Pattern.compile("[ \\t\\r\\n]*");
  private static final int LONGEST_TEXT = 200;
  private static final String CHARACTER = " !#-\\[\\]-~";
  private static final Pattern TEXT =
      Pattern.compile("\"([%s]{0,%d})\"".formatted(CHARACTER, LONGEST_TEXT));
  private static final Pattern NUMBER = Pattern.compile("-?(?:0|[1-9][0-9]{0,17})(?![0-9.eE])");

  /** Lists have three numbers each. */
  private static final int LONGEST_LIST = 16;

  private final String json;
  private int at;

  private DescriptionReader(String json) {
    this.json = json;
  }

  /**
   * The keys and values in their order; a value is a String, a Long or a List of Long.
   *
   * @throws IllegalArgumentException if the text is anything else; it says where
   */
  static SequencedMap<String, Object> read(String json) {
    var reader = new DescriptionReader(json);
    SequencedMap<String, Object> object = reader.object();
    if (reader.at != json.length()) {
      throw reader.unexpected("the end");
    }
    return object;
  }

  /** The same text as far as it can be read back. */
  static String printable(String text) {
    return text.replaceAll("[^%s]".formatted(CHARACTER), "?")
        .substring(0, Math.min(text.length(), LONGEST_TEXT));
  }

  private SequencedMap<String, Object> object() {
    SequencedMap<String, Object> object = new LinkedHashMap<>();
    expect('{');
    if (!take('}')) {
      do {
        String key = token(TEXT, "a key in quotes").group(1);
        expect(':');
        if (object.put(key, value()) != null) {
          throw new IllegalArgumentException("the key \"%s\" comes twice".formatted(key));
        }
      } while (take(','));
      expect('}');
    }
    return object;
  }

  private Object value() {
    if (at < json.length() && json.charAt(at) == '"') {
      return token(TEXT, "a text of ASCII characters without backslashes").group(1);
    }
    return take('[') ? list() : number();
  }

  private List<Long> list() {
    List<Long> numbers = new ArrayList<>();
    do {
      numbers.add(number());
    } while (numbers.size() < LONGEST_LIST && take(','));
    expect(']');
    return List.copyOf(numbers);
  }

  private Long number() {
    return Long.valueOf(token(NUMBER, "a whole number (true is 1 and false is 0)").group());
  }

  private void expect(char character) {
    if (!take(character)) {
      throw unexpected("'" + character + "'");
    }
  }

  private boolean take(char character) {
    skipSpace();
    if (at < json.length() && json.charAt(at) == character) {
      at++;
      skipSpace();
      return true;
    }
    return false;
  }

  private Matcher token(Pattern pattern, String name) {
    Matcher matcher = pattern.matcher(json).region(at, json.length());
    if (!matcher.lookingAt()) {
      throw unexpected(name);
    }
    at = matcher.end();
    skipSpace();
    return matcher;
  }

  private void skipSpace() {
    Matcher space = SPACE.matcher(json).region(at, json.length());
    if (space.lookingAt()) {
      at = space.end();
    }
  }

  private IllegalArgumentException unexpected(String wanted) {
    long line = 1 + json.substring(0, at).chars().filter(c -> c == '\n').count();
    int column = at - json.lastIndexOf('\n', at - 1);
    return new IllegalArgumentException(
        "%s was expected in line %d, column %d".formatted(wanted, line, column));
  }
}
