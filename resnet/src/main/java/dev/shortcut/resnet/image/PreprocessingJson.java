package dev.shortcut.resnet.image;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import org.jspecify.annotations.Nullable;

/** The form that {@link Preprocessing} has in the side files of weights. */
final class PreprocessingJson {
  private static final String IN_SIDE_FILE = "preprocessing";
  private static final JsonFactory JSON =
      JsonFactory.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

  private @Nullable Integer resize;
  private @Nullable Integer crop;
  private @Nullable Interpolation interpolation;
  private @Nullable Rgb mean;
  private @Nullable Rgb std;

  private PreprocessingJson() {}

  static Preprocessing read(String json) {
    try (JsonParser in = JSON.createParser(json)) {
      if (in.nextToken() != JsonToken.START_OBJECT) {
        throw new IllegalArgumentException(
            "preprocessing must be a JSON object, not " + in.currentToken());
      }
      return readObject(in);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException(
          "preprocessing is no valid JSON: %s (line %d, column %d)"
              .formatted(
                  e.getOriginalMessage(),
                  e.getLocation().getLineNr(),
                  e.getLocation().getColumnNr()),
          e);
    } catch (IOException e) {
      throw new UncheckedIOException("reading from a string", e);
    }
  }

  static String write(Preprocessing preprocessing) {
    StringWriter text = new StringWriter();
    try (JsonGenerator out = JSON.createGenerator(text)) {
      out.writeStartObject();
      out.writeNumberField("resize", preprocessing.resize());
      out.writeNumberField("crop", preprocessing.crop());
      out.writeStringField("interpolation", preprocessing.interpolation().toString());
      write(out, "mean", preprocessing.mean());
      write(out, "std", preprocessing.std());
      out.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException("writing to a string", e);
    }
    return text.toString();
  }

  private static void write(JsonGenerator out, String name, Rgb values) throws IOException {
    out.writeArrayFieldStart(name);
    for (float value : values.toArray()) {
      out.writeNumber(value);
    }
    out.writeEndArray();
  }

  /**
   * The object's own members, or those of its member {@code preprocessing}, next to which all else
   * is a side file's.
   */
  private static Preprocessing readObject(JsonParser in) throws IOException {
    PreprocessingJson own = new PreprocessingJson();
    Preprocessing inSideFile = null;
    String unknown = null;
    while (in.nextToken() == JsonToken.FIELD_NAME) {
      String name = in.currentName();
      in.nextToken();
      if (name.equals(IN_SIDE_FILE) && in.currentToken() == JsonToken.START_OBJECT) {
        inSideFile = readObject(in);
      } else if (!own.member(name, in)) {
        unknown = name;
        in.skipChildren();
      }
    }
    if (inSideFile != null) {
      return inSideFile;
    }
    if (unknown != null) {
      throw new IllegalArgumentException(
          "preprocessing has no member \"%s\"; it has resize, crop, interpolation, mean and std"
              .formatted(unknown));
    }
    return own.preprocessing();
  }

  private boolean member(String name, JsonParser in) throws IOException {
    switch (name) {
      case "resize" -> resize = pixels(name, in);
      case "crop" -> crop = pixels(name, in);
      case "interpolation" ->
          interpolation = Interpolation.of(String.valueOf(in.getValueAsString()));
      case "mean" -> mean = channels(name, in);
      case "std" -> std = channels(name, in);
      default -> {
        return false;
      }
    }
    return true;
  }

  private Preprocessing preprocessing() {
    if (resize == null || crop == null || interpolation == null || mean == null || std == null) {
      throw new IllegalArgumentException(
          "preprocessing needs resize, crop, interpolation, mean and std; missing:%s%s%s%s%s"
              .formatted(
                  resize == null ? " resize" : "",
                  crop == null ? " crop" : "",
                  interpolation == null ? " interpolation" : "",
                  mean == null ? " mean" : "",
                  std == null ? " std" : ""));
    }
    return new Preprocessing(resize, crop, interpolation, mean, std);
  }

  private static int pixels(String name, JsonParser in) throws IOException {
    if (in.currentToken() != JsonToken.VALUE_NUMBER_INT) {
      throw new IllegalArgumentException(
          "preprocessing: %s must be a whole number of pixels, not %s"
              .formatted(name, in.getText()));
    }
    return in.getIntValue();
  }

  private static Rgb channels(String name, JsonParser in) throws IOException {
    float[] values = new float[3];
    int count = 0;
    boolean numbers = in.currentToken() == JsonToken.START_ARRAY;
    while (numbers && in.nextToken() != JsonToken.END_ARRAY) {
      numbers = in.currentToken().isNumeric() && count < values.length;
      if (numbers) {
        values[count++] = in.getFloatValue();
      }
    }
    if (!numbers || count != values.length) {
      throw new IllegalArgumentException(
          "preprocessing: %s must be an array of three numbers, for red, green and blue"
              .formatted(name));
    }
    return new Rgb(values[0], values[1], values[2]);
  }
}
