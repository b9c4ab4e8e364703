package dev.shortcut.resnet;

import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.ModelException;
import dev.shortcut.engine.WeightsMatch;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.resnet.image.Preprocessing;
import dev.shortcut.resnet.image.Rgb;
import dev.shortcut.resnet.weights.RandomWeights;
import dev.shortcut.resnet.weights.WeightsFile;
import dev.shortcut.resnet.weights.WeightsSource;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A network that takes pictures: its weights together with the preprocessing that they were trained
 * with and the names of its classes, so that these cannot be mixed up.
 *
 * <pre>{@code
 * try (ImageModel model = ImageModel.load(Path.of("resnet50-0676ba61.pth"), Overrides.NONE);
 *     Engine engine = Engine.open(model, Options.defaults().withInput(model.inputFormat()))) {
 *   Picture picture = model.preprocessing().apply(Picture.decode(file));
 *   float[] logits = engine.run(picture.rgb());
 * }
 * }</pre>
 *
 * <p>Immutable but for being closed, and safe for use by several threads. Engines that were opened
 * with it go on working after it is closed.
 */
public final class ImageModel implements Model, AutoCloseable {
  private static final String BUNDLED = "resnet20-cifar10";

  private final Architecture architecture;
  private final Graph graph;
  private final WeightsSource weights;
  private final Preprocessing preprocessing;
  private final List<String> labels;
  private final List<String> notes;

  private ImageModel(
      Architecture architecture,
      WeightsSource weights,
      Graph graph,
      Preprocessing preprocessing,
      List<String> labels,
      List<String> notes) {
    this.architecture = architecture;
    this.weights = weights;
    this.graph = graph;
    this.preprocessing = preprocessing;
    this.labels = labels;
    this.notes = List.copyOf(notes);
  }

  /**
   * The model that comes with this library: a ResNet-20 for pictures of 32x32 in the ten classes of
   * CIFAR-10, trained by this project.
   */
  public static ImageModel bundled() {
    return bundled(Overrides.NONE);
  }

  /**
   * The bundled model, some of it overridden.
   *
   * @throws ModelException if the overrides do not fit it
   */
  public static ImageModel bundled(Overrides overrides) {
    SideFile sideFile = SideFile.parse(BUNDLED + ".json", resource(BUNDLED + ".json"));
    byte[] content = resource(BUNDLED + ".safetensors");
    return withWeights(
        WeightsFile.of("bundled:" + BUNDLED, content), sideFile, overrides, List.of());
  }

  private static byte[] resource(String name) {
    try (InputStream stream = ImageModel.class.getResourceAsStream("models/" + name)) {
      if (stream == null) {
        throw new IllegalStateException(name + " is missing from this library's jar");
      }
      return stream.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * The model in a file of weights, safetensors or PyTorch's.
   *
   * <p>A side file with the same name and the ending {@code .json} says what it is: {@code model},
   * {@code shortcut}, {@code classes} (a list of names) and {@code preprocessing} ({@code resize},
   * {@code crop}, {@code interpolation}, {@code mean}, {@code std}). Without one the network is
   * told from the tensors, and ImageNet's preprocessing is taken; {@link #notes} says so.
   *
   * @throws ModelException if a file is damaged, the network is not one of the family, or the parts
   *     do not fit together
   */
  public static ImageModel load(Path file, Overrides overrides) {
    WeightsFile weights = WeightsFile.open(file);
    try {
      Path beside = SideFile.beside(file);
      if (Files.exists(beside)) {
        return withWeights(weights, SideFile.read(beside), overrides, List.of());
      }
      return withWeights(
          weights,
          SideFile.NONE,
          overrides,
          List.of("%s has no side file %s".formatted(file, beside)));
    } catch (RuntimeException e) {
      weights.close();
      throw e;
    }
  }

  /**
   * A network with weights that mean nothing but are the same everywhere, for measurements and
   * tests.
   *
   * @see RandomWeights
   */
  public static ImageModel random(Architecture architecture, long seed, Overrides overrides) {
    Preprocessing preprocessing = preprocessing(architecture, overrides, Optional.empty());
    int classes = overrides.labels() == null ? architecture.classes() : overrides.labels().size();
    Graph graph = graph(architecture, classes, preprocessing);
    return new ImageModel(
        architecture,
        new RandomWeights(graph, seed),
        graph,
        preprocessing,
        labels(overrides.labels(), classes),
        List.of("random weights: the labels mean nothing"));
  }

  private static ImageModel withWeights(
      WeightsFile weights, SideFile sideFile, Overrides overrides, List<String> before) {
    List<String> notes = new ArrayList<>(before);
    Optional<ArchitectureGuess> guess = ArchitectureGuess.of(weights);
    Architecture architecture = architecture(weights, sideFile, overrides, guess, notes);
    @Nullable List<String> labels =
        overrides.labels() == null ? sideFile.labels().orElse(null) : overrides.labels();
    int classes =
        guess
            .map(ArchitectureGuess::classes)
            .orElseGet(() -> labels == null ? architecture.classes() : labels.size());
    if (labels != null && labels.size() != classes) {
      throw new ModelException(
          "%s has %d classes, but %d labels were given for them"
              .formatted(weights.description(), classes, labels.size()));
    }
    Preprocessing preprocessing = preprocessing(architecture, overrides, sideFile.preprocessing());
    if (sideFile.preprocessing().isEmpty()) {
      notes.add("preprocessing assumed: " + preprocessing);
    }
    Graph graph = graph(architecture, classes, preprocessing);
    WeightsMatch.of(graph, weights).requireExact(advice(guess));
    return new ImageModel(
        architecture, weights, graph, preprocessing, labels(labels, classes), notes);
  }

  private static Architecture architecture(
      Weights weights,
      SideFile sideFile,
      Overrides overrides,
      Optional<ArchitectureGuess> guess,
      List<String> notes) {
    if (overrides.architecture() != null) {
      return overrides.architecture();
    }
    if (sideFile.architecture().isPresent()) {
      return sideFile.architecture().get();
    }
    ArchitectureGuess guessed =
        guess.orElseThrow(() ->
            new ModelException(
                "%s does not say which network it is for, and looks like none of the family; name one of %s"
                    .formatted(weights.description(), String.join(", ", Architecture.names()))));
    notes.add(
        "the weights look like %s%s"
            .formatted(
                guessed.architecture().name(),
                guessed.note().isEmpty() ? "" : " (" + guessed.note() + ")"));
    return guessed.architecture();
  }

  private static String advice(Optional<ArchitectureGuess> guess) {
    return guess
        .map(guessed ->
            "the file looks like %s with %d classes"
                .formatted(guessed.architecture().name(), guessed.classes()))
        .orElse("the file looks like none of the family");
  }

  private static Preprocessing preprocessing(
      Architecture architecture, Overrides overrides, Optional<Preprocessing> trained) {
    int size = architecture.imageSize();
    Preprocessing imageNet = Preprocessing.IMAGENET;
    Preprocessing base =
        trained.orElse(
            size == imageNet.crop()
                ? imageNet
                : new Preprocessing(
                    size, size, imageNet.interpolation(), imageNet.mean(), imageNet.std()));
    try {
      return overrides.apply(base);
    } catch (IllegalArgumentException e) {
      throw new ModelException("the preprocessing makes no sense: " + e.getMessage(), e);
    }
  }

  private static Graph graph(Architecture architecture, int classes, Preprocessing preprocessing) {
    try {
      return architecture.graph(classes, preprocessing.crop(), preprocessing.crop());
    } catch (IllegalArgumentException e) {
      throw new ModelException(
          "%s cannot take pictures of %dx%d: %s"
              .formatted(
                  architecture.name(), preprocessing.crop(), preprocessing.crop(), e.getMessage()),
          e);
    }
  }

  private static List<String> labels(@Nullable List<String> known, int classes) {
    return known == null
        ? IntStream.range(0, classes).mapToObj(String::valueOf).toList()
        : List.copyOf(known);
  }

  /** Which network of the family it is. */
  public Architecture architecture() {
    return architecture;
  }

  /** The network as defined, for pictures of {@code preprocessing().crop()} pixels. */
  @Override
  public Graph graph() {
    return graph;
  }

  @Override
  public Weights weights() {
    return weights;
  }

  /** What a picture goes through before the network sees it. */
  public Preprocessing preprocessing() {
    return preprocessing;
  }

  /**
   * The names of the classes, in the order of the network's outputs; their numbers where no names
   * are known.
   */
  public List<String> labels() {
    return labels;
  }

  /** What had to be assumed, for people; empty where the files say everything. */
  public List<String> notes() {
    return notes;
  }

  /** The input format with which an engine takes prepared pictures: bytes, which it normalises. */
  public InputFormat inputFormat() {
    return new InputFormat.Uint8Nhwc(doubles(preprocessing.mean()), doubles(preprocessing.std()));
  }

  private static List<Double> doubles(Rgb rgb) {
    return List.of((double) rgb.red(), (double) rgb.green(), (double) rgb.blue());
  }

  /**
   * A SHA-256 in hexadecimal digits over everything that a result depends on: the network, its
   * weights, its preprocessing and its labels. Reads the whole file of weights.
   */
  public String fingerprint() {
    String everything =
        String.join(
            "\n",
            graph.toString(),
            weights.fingerprint(),
            preprocessing.toString(),
            String.join("\n", labels));
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      return HexFormat.of().formatHex(digest.digest(everything.getBytes(StandardCharsets.UTF_8)));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }

  /** Closes the weights; idempotent. */
  @Override
  public void close() {
    weights.close();
  }

  /** The network and where its weights come from. */
  @Override
  public String toString() {
    return architecture.name() + " (" + weights.description() + ")";
  }
}
