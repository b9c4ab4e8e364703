package dev.shortcut.resnet.cli;

import dev.shortcut.resnet.BundledPictures;
import dev.shortcut.resnet.batch.Input;
import dev.shortcut.resnet.batch.InputException;
import dev.shortcut.resnet.batch.Inputs;
import dev.shortcut.resnet.image.DecodeOptions;
import dev.shortcut.resnet.image.ExifOrientation;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Which pictures, and how they are read. */
final class PictureOptions {
  @Parameters(
      paramLabel = "PATH",
      arity = "0..*",
      description = {
        "Picture files (JPEG, PNG, GIF, BMP, TIFF, WebP), folders with all pictures below them, patterns in quotes such as"
            + " 'photos/**/*.jpg', and @FILE for the paths that FILE lists. Without any: the bundled pictures."
      })
  private List<String> paths = new ArrayList<>();

  @Option(
      names = "--list",
      paramLabel = "FILE",
      description = "A text file with one path in each line; may be repeated.")
  private List<Path> lists = new ArrayList<>();

  @Option(
      names = "--exif",
      paramLabel = "apply|ignore",
      description =
          "Whether pictures are turned as their EXIF orientation says; ignore equals torchvision. Default: ${DEFAULT-VALUE}.",
      defaultValue = "apply")
  private ExifOrientation exif = ExifOrientation.APPLY;

  @Option(
      names = "--max-pixels",
      paramLabel = "N",
      description =
          "Larger pictures are refused before they are decoded. Default: 89478485, Pillow's limit.")
  private @Nullable Long maxPixels;

  @Option(
      names = "--workers",
      paramLabel = "N",
      description = "Threads that decode. Default: as many as processors.",
      converter = DeviceOptions.Count.class)
  private @Nullable Integer workers;

  @Option(
      names = "--in-flight",
      paramLabel = "N",
      description =
          "Most pictures that are in memory at once. Default: two batches for each slot and one more.",
      converter = DeviceOptions.Count.class)
  private @Nullable Integer inFlight;

  /** The pictures that were asked for. */
  Inputs inputs() {
    List<Inputs> parts = new ArrayList<>();
    for (String path : paths) {
      parts.add(inputs(path));
    }
    for (Path list : lists) {
      parts.add(Inputs.list(list));
    }
    return parts.isEmpty() ? bundled() : Inputs.concat(parts);
  }

  private static Inputs inputs(String argument) {
    if (argument.startsWith("@") && argument.length() > 1) {
      return Inputs.list(Path.of(argument.substring(1)));
    }
    // A file may have a star in its name; it is a pattern only where there is no such file.
    return Files.exists(pathOf(argument)) || !Inputs.isPattern(argument)
        ? Inputs.files(pathOf(argument))
        : Inputs.glob(argument);
  }

  private static Path pathOf(String argument) {
    try {
      return Path.of(argument);
    } catch (InvalidPathException e) {
      throw new InputException("%s is no path: %s".formatted(argument, e.getReason()), e);
    }
  }

  private static Inputs bundled() {
    List<Input> pictures =
        BundledPictures.names().stream()
            .map(name -> Input.of(name, BundledPictures.read(name)))
            .toList();
    return Inputs.of(pictures);
  }

  DecodeOptions decoding() {
    DecodeOptions options = DecodeOptions.DEFAULT.withOrientation(exif);
    return maxPixels == null ? options : options.withMaxPixels(maxPixels);
  }

  @Nullable Integer workers() {
    return workers;
  }

  @Nullable Integer inFlight() {
    return inFlight;
  }
}
