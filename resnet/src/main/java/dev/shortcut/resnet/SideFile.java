package dev.shortcut.resnet;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.shortcut.engine.ModelException;
import dev.shortcut.resnet.image.Preprocessing;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What lies beside a weights file as {@code NAME.json} and belongs to it: which network it is, its
 * classes, and what its pictures must go through. Everything may be missing; what is not known here
 * is passed over.
 *
 * @param architecture {@code "model"}, and {@code "shortcut"} where it departs from the network's
 *     own
 * @param labels {@code "classes"}, a list of names
 * @param preprocessing {@code "preprocessing"}, as {@link Preprocessing#fromJson} reads it
 */
record SideFile(
    Optional<Architecture> architecture,
    Optional<List<String>> labels,
    Optional<Preprocessing> preprocessing) {
  static final SideFile NONE = new SideFile(Optional.empty(), Optional.empty(), Optional.empty());

  /** Twenty thousand classes with long names take a tenth of it. */
  private static final int LONGEST = 8 << 20;

  private static final ObjectMapper JSON =
      new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  SideFile {
    labels = labels.map(List::copyOf);
  }

  /** Where the side file of these weights would lie: the same name, ending with {@code .json}. */
  static Path beside(Path weights) {
    String name = String.valueOf(weights.getFileName());
    int dot = name.lastIndexOf('.');
    return weights.resolveSibling((dot > 0 ? name.substring(0, dot) : name) + ".json");
  }

  /**
   * Reads a side file.
   *
   * @throws ModelException if it cannot be read or says something that makes no sense
   */
  static SideFile read(Path file) {
    try (InputStream stream = Files.newInputStream(file)) {
      byte[] content = stream.readNBytes(LONGEST + 1);
      if (content.length > LONGEST) {
        throw new ModelException("%s is longer than any side file of a model is".formatted(file));
      }
      return parse(file.toString(), content);
    } catch (IOException e) {
      throw new ModelException("cannot read %s: %s".formatted(file, e.getMessage()), e);
    }
  }

  /**
   * Reads the content of a side file.
   *
   * @param description what messages call it
   * @throws ModelException if it says something that makes no sense
   */
  static SideFile parse(String description, byte[] content) {
    try {
      JsonNode root = JSON.readTree(content);
      if (!root.isObject()) {
        throw new IllegalArgumentException("it is no JSON object");
      }
      return new SideFile(architecture(root), labels(root), preprocessing(root));
    } catch (JsonProcessingException e) {
      throw new ModelException(
          "cannot read %s: it is no JSON (%s)".formatted(description, e.getOriginalMessage()), e);
    } catch (IOException | IllegalArgumentException e) {
      throw new ModelException("cannot read %s: %s".formatted(description, e.getMessage()), e);
    }
  }

  private static Optional<Architecture> architecture(JsonNode root) {
    if (!root.has("model")) {
      return Optional.empty();
    }
    Architecture named = Architecture.parse(text(root, "model"));
    return Optional.of(
        root.has("shortcut") ? named.withShortcut(shortcut(text(root, "shortcut"))) : named);
  }

  private static Shortcut shortcut(String name) {
    for (Shortcut shortcut : Shortcut.values()) {
      if (shortcut.name().equalsIgnoreCase(name)) {
        return shortcut;
      }
    }
    throw new IllegalArgumentException(
        "\"shortcut\" must be A, B, C or none, not \"%s\"".formatted(name));
  }

  private static Optional<List<String>> labels(JsonNode root) {
    if (!root.has("classes")) {
      return Optional.empty();
    }
    JsonNode classes = root.get("classes");
    if (!classes.isArray() || classes.isEmpty()) {
      throw new IllegalArgumentException("\"classes\" must be a list of names");
    }
    List<String> labels = new ArrayList<>();
    for (JsonNode label : classes) {
      if (!label.isTextual()) {
        throw new IllegalArgumentException("\"classes\" must be a list of names, but has " + label);
      }
      labels.add(label.textValue());
    }
    return Optional.of(labels);
  }

  private static Optional<Preprocessing> preprocessing(JsonNode root) {
    return root.has("preprocessing")
        ? Optional.of(Preprocessing.fromJson(root.get("preprocessing").toString()))
        : Optional.empty();
  }

  private static String text(JsonNode node, String name) {
    JsonNode value = node.path(name);
    if (!value.isTextual()) {
      throw new IllegalArgumentException("\"%s\" must be a text".formatted(name));
    }
    return value.textValue();
  }
}
