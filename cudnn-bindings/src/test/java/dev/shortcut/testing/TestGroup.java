package dev.shortcut.testing;

import java.util.Arrays;
import java.util.Locale;
import java.util.function.Supplier;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;

/**
 * Tests that need something which a machine may lack; JUnit's tags are the names in lower case.
 * What is missing skips a test with the reason, unless {@code
 * -Dshortcut.required.groups=native,vendor} says that on this machine nothing of these groups may
 * be missing: then it fails.
 */
public enum TestGroup {
  /**
   * A C++ compiler, and DLPack's header, as {@code cudnn-bindings/src/test/dlpack/fetch} brings it.
   */
  NATIVE,
  /**
   * NVIDIA's libraries and headers, as {@code cudnn-bindings/src/test/nvidia/fetch} brings them.
   */
  VENDOR,
  /** A GPU. */
  GPU;

  private static final String PROPERTY = "shortcut.required.groups";

  /**
   * Ends the calling test because something is missing.
   *
   * @param reason what the test needs, and what to do about it
   * @return never
   */
  public <T> T missing(String reason) {
    if (required()) {
      return Assertions.fail(
          "-D%s=%s: %s".formatted(PROPERTY, System.getProperty(PROPERTY), reason));
    }
    return Assumptions.abort(reason);
  }

  /** Ends the calling test unless something is there. */
  public void require(boolean available, Supplier<String> reason) {
    if (!available) {
      missing(reason.get());
    }
  }

  private boolean required() {
    return Arrays.asList(System.getProperty(PROPERTY, "").split("[, ]+"))
        .contains(name().toLowerCase(Locale.ROOT));
  }
}
