package dev.shortcut.resnet.weights;

import dev.shortcut.engine.ModelException;

/** What the fuzzer calls: whatever bytes a file consists of, it is read or refused. */
public final class WeightsFuzz {
  private WeightsFuzz() {}

  /** Lets nothing through but a refusal. */
  public static void fuzzerTestOneInput(byte[] bytes) {
    isRead(bytes);
  }

  /** Whether all tensors of a file could be read; false if it was refused in the proper way. */
  static boolean isRead(byte[] bytes) {
    try (WeightsFile weights = WeightsFile.of("fuzz", bytes)) {
      for (String name : weights.names()) {
        weights.read(name);
      }
      return true;
    } catch (ModelException refused) {
      return false;
    }
  }
}
