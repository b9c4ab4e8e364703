package dev.shortcut.resnet.cli;

import dev.shortcut.engine.ModelException;
import dev.shortcut.resnet.Architecture;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.resnet.Overrides;
import dev.shortcut.resnet.image.Interpolation;
import dev.shortcut.resnet.image.Rgb;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** Which network, which weights, and what its pictures go through. */
final class ModelOptions {
  private static final String RANDOM = "random:";

  @Spec(Spec.Target.MIXEE)
  @SuppressWarnings("NullAway.Init")
  private CommandSpec command;

  @Mixin private NetworkOptions network = new NetworkOptions();

  @Option(
      names = "--weights",
      paramLabel = "FILE",
      description = {
        "Weights: safetensors or PyTorch's .pth, with a side file NAME.json beside it that says what they are; or random:SEED"
            + " with --model. Without it the bundled ResNet-20 for CIFAR-10."
      })
  private @Nullable String weights;

  @Option(
      names = "--labels",
      paramLabel = "FILE",
      description = "Names of the classes, one in each line, instead of the side file's.")
  private @Nullable Path labels;

  @Option(
      names = "--resize",
      paramLabel = "PIXELS",
      description = "Shorter side of a picture before the crop. Default: the weights' own.")
  private @Nullable Integer resize;

  @Option(
      names = "--crop",
      paramLabel = "PIXELS",
      description = "Side of the square that the network sees. Default: the weights' own.")
  private @Nullable Integer crop;

  @Option(
      names = "--interpolation",
      paramLabel = "NAME",
      converter = InterpolationName.class,
      description =
          "bilinear, bicubic, nearest, box, hamming or lanczos, as Pillow does it. Default: the weights' own.")
  private @Nullable Interpolation interpolation;

  @Option(
      names = "--mean",
      paramLabel = "R,G,B",
      converter = RgbNumbers.class,
      description = "What is taken from each channel (0 to 1). Default: the weights' own.")
  private @Nullable Rgb mean;

  @Option(
      names = "--std",
      paramLabel = "R,G,B",
      converter = RgbNumbers.class,
      description = "What each channel is divided by. Default: the weights' own.")
  private @Nullable Rgb std;

  static final class InterpolationName implements ITypeConverter<Interpolation> {
    @Override
    public Interpolation convert(String value) {
      try {
        return Interpolation.of(value);
      } catch (IllegalArgumentException e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }

  static final class RgbNumbers implements ITypeConverter<Rgb> {
    @Override
    public Rgb convert(String value) {
      String[] parts = value.split(",", -1);
      try {
        if (parts.length == 3) {
          return new Rgb(
              Float.parseFloat(parts[0]), Float.parseFloat(parts[1]), Float.parseFloat(parts[2]));
        }
      } catch (NumberFormatException _) {
        // said below
      }
      throw new TypeConversionException(
          "'%s' is not three numbers such as 0.485,0.456,0.406".formatted(value));
    }
  }

  /** Opens the model that the options ask for. */
  ImageModel open() {
    return open(null);
  }

  /**
   * Opens the model that the options ask for.
   *
   * @param defaultWeights what {@code --model} alone takes; null where that is an error
   */
  ImageModel open(@Nullable String defaultWeights) {
    Overrides overrides = overrides();
    Architecture architecture = overrides.architecture();
    String source = weights;
    if (source == null) {
      if (architecture == null) {
        return ImageModel.bundled(overrides);
      }
      source = defaultWeights;
    }
    if (source == null) {
      throw usage(
          "--model %s needs its weights: --weights FILE, or --weights random:SEED for a try"
              .formatted(nameOf(architecture)));
    }
    if (!source.startsWith(RANDOM)) {
      return ImageModel.load(Path.of(source), overrides);
    }
    if (architecture == null) {
      throw usage(
          "--weights %s needs --model: random weights say nothing about a network"
              .formatted(source));
    }
    try {
      long seed = Long.parseLong(source.substring(RANDOM.length()));
      return ImageModel.random(architecture, seed, overrides);
    } catch (NumberFormatException _) {
      throw usage("--weights %s: the seed must be a whole number".formatted(source));
    }
  }

  private static String nameOf(@Nullable Architecture network) {
    return network == null ? "" : network.name();
  }

  private Overrides overrides() {
    return new Overrides(
        network.architecture(), resize, crop, interpolation, mean, std, readLabels());
  }

  private @Nullable List<String> readLabels() {
    if (labels == null) {
      return null;
    }
    try {
      return Files.readAllLines(labels, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new ModelException("cannot read the labels in %s: %s".formatted(labels, e), e);
    }
  }

  private ParameterException usage(String message) {
    return new ParameterException(command.commandLine(), message);
  }
}
