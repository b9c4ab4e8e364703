package dev.shortcut.resnet.cli;

import dev.shortcut.engine.Options;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** On what a network runs, and how many pictures at once. */
final class EngineOptions {
  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "Most pictures that run at once. Default: ${DEFAULT-VALUE}.",
      defaultValue = "32",
      converter = DeviceOptions.Count.class)
  private int batch = 32;

  @Option(
      names = "--tune",
      description =
          "Time implementations on the GPU before the start and take the fastest; takes seconds to minutes, and is done once"
              + " for each kind of GPU where plans are kept.")
  private boolean tune;

  @Mixin private DeviceOptions device = new DeviceOptions();

  @Mixin private PlanCacheOption plans = new PlanCacheOption();

  /** The library's defaults with what was asked for. */
  Options options() {
    return device.options().withMaxBatch(batch).withPlanCache(plans.folder()).withTuned(tune);
  }

  boolean explain() {
    return device.explain();
  }
}
