package dev.shortcut.resnet.cli;

import dev.shortcut.engine.DeviceUnavailableException;
import dev.shortcut.engine.MemoryLimitException;
import dev.shortcut.engine.ModelException;
import dev.shortcut.engine.ShortcutException;
import dev.shortcut.resnet.batch.ResumeException;
import java.io.IOException;
import java.io.UncheckedIOException;

/** What the exit status of a command says. */
final class ExitCodes {
  static final int OK = 0;
  static final int INPUTS_FAILED = 1;
  static final int USAGE = 2;
  static final int NO_DEVICE = 3;
  static final int BAD_MODEL = 4;
  static final int MEMORY_LIMIT = 5;
  static final int BUG = 70;
  static final int INTERRUPTED = 130;

  private ExitCodes() {}

  /** The status that a failure ends a command with. */
  static int of(Throwable failure) {
    return switch (failure) {
      case DeviceUnavailableException _ -> NO_DEVICE;
      case ModelException _ -> BAD_MODEL;
      case MemoryLimitException _ -> MEMORY_LIMIT;
      case OutOfMemoryError _ -> MEMORY_LIMIT;
      case ResumeException _ -> USAGE;
      case ShortcutException _ -> INPUTS_FAILED;
      case IOException _ -> INPUTS_FAILED;
      case UncheckedIOException _ -> INPUTS_FAILED;
      case InterruptedException _ -> INTERRUPTED;
      default -> BUG;
    };
  }
}
