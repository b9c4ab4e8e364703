package dev.shortcut.resnet.cli;

import dev.shortcut.resnet.Architecture;
import dev.shortcut.resnet.Shortcut;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** Which network of the family. */
final class NetworkOptions {
  @Spec(Spec.Target.MIXEE)
  @SuppressWarnings("NullAway.Init")
  private CommandSpec command;

  @Option(
      names = "--model",
      paramLabel = "NAME",
      converter = ArchitectureName.class,
      description = {
        "The network: resnet18, 34, 50, 101, 152 (-v1: stride in the first 1x1 convolution, as in the paper), wide_resnet50_2,"
            + " wide_resnet101_2, plain18, plain34, vgg16, vgg19, and for 32x32 pictures resnet20, 32, 44, 56, 110, 1202."
            + " Default: what the weights say; where no weights are asked for, all of the family."
      })
  private @Nullable Architecture architecture;

  @Option(
      names = "--shortcut",
      paramLabel = "A|B|C",
      description = "The paper's shortcut option, where it is not the network's own.")
  private @Nullable Shortcut shortcut;

  static final class ArchitectureName implements ITypeConverter<Architecture> {
    @Override
    public Architecture convert(String value) {
      try {
        return Architecture.parse(value);
      } catch (IllegalArgumentException e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }

  /**
   * The network that was asked for by name; null where none was.
   *
   * @throws ParameterException if it cannot have the shortcut option that was asked for
   */
  @Nullable Architecture architecture() {
    if (shortcut == null) {
      return architecture;
    }
    if (architecture == null) {
      throw usage("--shortcut needs --model");
    }
    try {
      return architecture.withShortcut(shortcut);
    } catch (IllegalArgumentException e) {
      throw usage("--shortcut %s: %s".formatted(shortcut, e.getMessage()));
    }
  }

  private ParameterException usage(String message) {
    return new ParameterException(command.commandLine(), message);
  }
}
