package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.shortcut.bindings.cudnn.Strictness.Difference;
import dev.shortcut.testing.device.SoftwareDevice;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The software device's cuDNN takes what NVIDIA's takes and refuses what NVIDIA's refuses, with the
 * same status, but for the differences that the table gives with their reasons.
 */
@Tag("native")
class SoftwareStrictnessTest {
  static List<Strictness.Case> cases() {
    return Strictness.cases();
  }

  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    SoftwareDevice.reset();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void theVerdictIsNvidiasOrTheListedOne(Strictness.Case use) {
    String verdict = use.put(Cudnn.open(), "h100");
    Difference difference = use.difference();
    if (difference == null) {
      assertEquals(use.verdict(), verdict, use::name);
      assertEquals(List.of(), SoftwareDevice.complaints(), use::name);
    } else if (difference.instead().equals(Strictness.COMPLAINT)) {
      assertEquals(use.verdict(), verdict, use::name);
      assertNotEquals(List.of(), SoftwareDevice.complaints(), use::name);
    } else {
      assertEquals(difference.instead(), verdict, use::name);
    }
    assertEquals(Map.of(), SoftwareDevice.live());
  }
}
