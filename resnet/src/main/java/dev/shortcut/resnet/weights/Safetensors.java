package dev.shortcut.resnet.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.io.Reader;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The safetensors format: eight bytes with the header's length (little endian), the header in JSON,
 * then the tensors' bytes without gaps. The limits and rules are those of the reference
 * implementation (safetensors 0.4, {@code tensor.rs}).
 */
final class Safetensors {
  private static final int MAX_HEADER = 100_000_000;
  private static final int MAX_TENSORS = 100_000;
  private static final int MAX_RANK = 16;
  private static final String METADATA = "__metadata__";
  private static final JsonFactory JSON =
      JsonFactory.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          // Names out of a file must not stay in the process after it.
          .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
          .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
          .build();

  private Safetensors() {}

  /** Whether the file begins as this format does: a length that can be, then a JSON object. */
  static boolean matches(MemorySegment file) {
    if (file.byteSize() < Long.BYTES + 1 || file.get(ValueLayout.JAVA_BYTE, Long.BYTES) != '{') {
      return false;
    }
    for (int i = 0; i < Long.BYTES; i++) {
      byte b = file.get(ValueLayout.JAVA_BYTE, i);
      if (b < ' ' && b != '\n' && b != '\r' && b != '\t') {
        return true;
      }
    }
    return false; // eight bytes of text are no length; this may be JSON or a program
  }

  private static long headerLength(MemorySegment file) {
    return file.get(ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0);
  }

  /** Finds the tensors of a file; they are views of {@code file}. */
  static Map<String, StoredTensor> read(MemorySegment file) throws FormatException {
    long length = headerLength(file);
    if (length < 0 || length > MAX_HEADER) {
      throw new FormatException(
          "its header claims %s bytes, and %d are allowed; the file is damaged"
              .formatted(Long.toUnsignedString(length), MAX_HEADER));
    }
    if (length > file.byteSize() - Long.BYTES) {
      throw new FormatException(
          "its header claims %d bytes, but the file ends after %d; it is cut off, fetch it again"
              .formatted(length, file.byteSize()));
    }
    MemorySegment header = file.asSlice(Long.BYTES, length);
    Map<String, StoredTensor> tensors = new LinkedHashMap<>();
    List<Range> ranges = new ArrayList<>();
    MemorySegment data = file.asSlice(Long.BYTES + length);
    try (Reader text = utf8(header);
        JsonParser json = JSON.createParser(text)) {
      expect(json, json.nextToken(), JsonToken.START_OBJECT, "the header");
      while (json.nextToken() != JsonToken.END_OBJECT) {
        String name = json.currentName();
        if (name.equals(METADATA)) {
          skipMetadata(json);
        } else {
          Entry entry = readEntry(json, name);
          if (ranges.size() == MAX_TENSORS) {
            throw new FormatException("it has more than %d tensors".formatted(MAX_TENSORS));
          }
          tensors.put(name, entry.tensor(name, data));
          ranges.add(new Range(name, entry.begin, entry.end));
        }
      }
      if (json.nextToken() != null) {
        throw new FormatException("its header goes on after the JSON object");
      }
    } catch (CharacterCodingException e) {
      throw new FormatException("its header is not UTF-8", e);
    } catch (IOException e) {
      throw new FormatException("its header is not valid JSON: " + Printable.of(firstLine(e)), e);
    }
    checkCover(ranges, data.byteSize());
    return tensors;
  }

  /**
   * The header as characters, decoded piece by piece: a hostile one of 100 MB should not take as
   * much heap.
   */
  private static Reader utf8(MemorySegment header) {
    return Channels.newReader(
        new SegmentChannel(header, header.byteSize()), StandardCharsets.UTF_8.newDecoder(), -1);
  }

  private static String firstLine(IOException e) {
    String message = e.getMessage();
    return message == null ? e.getClass().getSimpleName() : message.lines().findFirst().orElse("");
  }

  private static void skipMetadata(JsonParser json) throws IOException, FormatException {
    expect(json, json.nextToken(), JsonToken.START_OBJECT, METADATA);
    while (json.nextToken() != JsonToken.END_OBJECT) {
      expect(json, json.nextToken(), JsonToken.VALUE_STRING, METADATA);
    }
  }

  private static Entry readEntry(JsonParser json, String name) throws IOException, FormatException {
    if (!Printable.isPlain(name)) {
      throw new FormatException("it has a tensor whose name is not text: " + Printable.of(name));
    }
    expect(json, json.nextToken(), JsonToken.START_OBJECT, name);
    String type = null;
    List<Long> shape = null;
    List<Long> offsets = null;
    while (json.nextToken() != JsonToken.END_OBJECT) {
      String field = json.currentName();
      JsonToken value = json.nextToken();
      switch (field) {
        case "dtype" -> {
          expect(json, value, JsonToken.VALUE_STRING, name);
          type = json.getText();
        }
        case "shape" -> shape = readLongs(json, value, name, MAX_RANK);
        case "data_offsets" -> offsets = readLongs(json, value, name, 2);
        default ->
            throw new FormatException(
                "its header says %s of %s, which the format does not know"
                    .formatted(Printable.of(field), Printable.of(name)));
      }
    }
    if (type == null || shape == null || offsets == null || offsets.size() != 2) {
      throw new FormatException(
          "its header lacks dtype, shape or data_offsets of " + Printable.of(name));
    }
    return new Entry(type, shape, offsets.getFirst(), offsets.getLast());
  }

  private static List<Long> readLongs(JsonParser json, JsonToken first, String name, int most)
      throws IOException, FormatException {
    expect(json, first, JsonToken.START_ARRAY, name);
    var values = new ArrayList<Long>();
    while (json.nextToken() != JsonToken.END_ARRAY) {
      expect(json, json.currentToken(), JsonToken.VALUE_NUMBER_INT, name);
      if (json.getNumberType() == JsonParser.NumberType.BIG_INTEGER || json.getLongValue() < 0) {
        throw new FormatException(
            "its header has a number of %s that is negative or beyond 2^63-1"
                .formatted(Printable.of(name)));
      }
      if (values.size() == most) {
        throw new FormatException(
            "its header has more than %d numbers in one list of %s"
                .formatted(most, Printable.of(name)));
      }
      values.add(json.getLongValue());
    }
    return values;
  }

  private static void expect(
      JsonParser json, @Nullable JsonToken found, JsonToken wanted, String where)
      throws FormatException {
    if (found != wanted) {
      throw new FormatException(
          "its header has %s where %s should be, at byte %d, in %s"
              .formatted(
                  found == null ? "its end" : found,
                  wanted,
                  json.currentTokenLocation().getCharOffset(),
                  Printable.of(where)));
    }
  }

  /**
   * Tensors must follow each other without gap or overlap, up to the end of the file: nothing can
   * hide in between.
   */
  private static void checkCover(List<Range> ranges, long size) throws FormatException {
    ranges.sort(Comparator.comparingLong(Range::begin).thenComparingLong(Range::end));
    long at = 0;
    for (Range range : ranges) {
      if (range.begin != at) {
        throw new FormatException(
            "%s begins at byte %d of the data, but what is before it ends at %d"
                .formatted(Printable.of(range.name), range.begin, at));
      }
      at = range.end;
    }
    if (at != size) {
      throw new FormatException(
          "its tensors take %d bytes, but %d follow the header; fetch the file again"
              .formatted(at, size));
    }
  }

  private record Range(String name, long begin, long end) {}

  private record Entry(String type, List<Long> shape, long begin, long end) {
    StoredTensor tensor(String name, MemorySegment data) throws FormatException {
      if (begin > end || end > data.byteSize()) {
        throw new FormatException(
            "%s claims bytes %d to %d of the data, but there are %d; the file is damaged or cut off"
                .formatted(Printable.of(name), begin, end, data.byteSize()));
      }
      List<Integer> dims = new ArrayList<>();
      for (long extent : shape) {
        if (extent > Integer.MAX_VALUE) {
          throw new FormatException(
              "%s has an extent of %d, beyond 2^31-1".formatted(Printable.of(name), extent));
        }
        dims.add((int) extent);
      }
      ElementType elementType = elementType(type);
      checkBytes(name, dims, elementType);
      return StoredTensor.rowMajor(
          Printable.of(type), elementType, data.asSlice(begin, end - begin), dims);
    }

    private void checkBytes(String name, List<Integer> dims, @Nullable ElementType elementType)
        throws FormatException {
      long bytes = end - begin;
      long elements;
      try {
        elements = StoredTensor.elements(dims);
        Math.multiplyExact(elements, Long.BYTES);
      } catch (ArithmeticException e) {
        throw new FormatException(
            "%s has %s elements, more than can be counted".formatted(Printable.of(name), dims), e);
      }
      // Of a type that we do not know, several elements may share a byte.
      boolean fits =
          elementType == null
              ? elements <= bytes * Byte.SIZE
              : elements * elementType.bytes() == bytes;
      if (!fits) {
        throw new FormatException(
            "%s is %s of %s, but its offsets are %d bytes apart"
                .formatted(Printable.of(name), dims, Printable.of(type), bytes));
      }
    }

    private static @Nullable ElementType elementType(String type) {
      return switch (type) {
        case "F64" -> ElementType.F64;
        case "F32" -> ElementType.F32;
        case "F16" -> ElementType.F16;
        case "BF16" -> ElementType.BF16;
        case "I64" -> ElementType.I64;
        case "I32" -> ElementType.I32;
        case "I16" -> ElementType.I16;
        case "I8" -> ElementType.I8;
        case "U8" -> ElementType.U8;
        case "BOOL" -> ElementType.BOOL;
        default -> null;
      };
    }
  }
}
