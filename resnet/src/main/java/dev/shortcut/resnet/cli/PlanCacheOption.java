package dev.shortcut.resnet.cli;

import dev.shortcut.bindings.library.CacheFolder;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where plans for GPUs are kept from one start to the next. */
final class PlanCacheOption {
  private static final String NONE = "none";

  @Option(
      names = "--plan-cache",
      paramLabel = "FOLDER|none",
      description =
          "Where cuDNN's plans for GPUs are kept from one start to the next; 'plan' fills such a folder for GPUs that are"
              + " elsewhere. Only you may be able to write it. Default: 'plans' in the cache folder, which 'doctor' names.")
  private @Nullable String folder;

  /** The folder, which need not exist yet; null where plans are not to be kept. */
  @Nullable Path folder() {
    if (folder == null) {
      return CacheFolder.candidates().getFirst().path().resolve("plans");
    }
    return folder.equals(NONE) ? null : Path.of(folder);
  }
}
