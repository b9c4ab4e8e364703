package dev.shortcut.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.opentest4j.AssertionFailedError;
import org.opentest4j.TestAbortedException;

class TestGroupTest {
  private static final String PROPERTY = "shortcut.required.groups";

  private final String before = System.getProperty(PROPERTY, "");

  @BeforeEach
  void requireTwoGroups() {
    System.setProperty(PROPERTY, "native,vendor");
  }

  @AfterEach
  void restore() {
    System.setProperty(PROPERTY, before);
  }

  @Test
  void whatIsMissingSkipsTheTestWithItsReason() {
    var e =
        assertThrows(
            TestAbortedException.class, () -> TestGroup.GPU.require(false, () -> "no GPU"));
    assertEquals("no GPU", e.getMessage());
  }

  @Test
  void whatIsMissingOfARequiredGroupFails() {
    assertThrows(
        AssertionFailedError.class, () -> TestGroup.VENDOR.require(false, () -> "no library"));
  }

  @Test
  void whatIsThereStopsNothing() {
    TestGroup.NATIVE.require(
        true,
        () -> {
          throw new AssertionError("nobody needs a reason");
        });
  }
}
