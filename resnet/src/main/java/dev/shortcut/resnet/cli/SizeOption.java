package dev.shortcut.resnet.cli;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.resnet.Architecture;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** How large the images are that a network is looked at with. */
final class SizeOption {
  @Spec(Spec.Target.MIXEE)
  @SuppressWarnings("NullAway.Init")
  private CommandSpec command;

  @Option(
      names = "--size",
      paramLabel = "PIXELS",
      description = "Height and width of the image. Default: what the network was published for.",
      converter = DeviceOptions.Count.class)
  private @Nullable Integer size;

  /**
   * A network for images of this size.
   *
   * @throws ParameterException if it cannot take them
   */
  Graph graph(Architecture network, int classes) {
    int side = size == null ? network.imageSize() : size;
    try {
      return network.graph(classes, side, side);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(
          command.commandLine(),
          "%s cannot take images of %dx%d: %s"
              .formatted(network.name(), side, side, e.getMessage()),
          e);
    }
  }
}
