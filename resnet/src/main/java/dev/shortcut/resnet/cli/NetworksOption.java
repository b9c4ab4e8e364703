package dev.shortcut.resnet.cli;

import dev.shortcut.resnet.Architecture;
import java.util.List;
import picocli.CommandLine.Option;

/** Which networks of the family, for a command that goes through several. */
final class NetworksOption {
  @Option(
      names = "--model",
      paramLabel = "NAME",
      split = ",",
      converter = NetworkOptions.ArchitectureName.class,
      description = "The networks. Default: resnet50.",
      defaultValue = "resnet50")
  private List<Architecture> networks = List.of();

  List<Architecture> chosen() {
    return networks;
  }
}
