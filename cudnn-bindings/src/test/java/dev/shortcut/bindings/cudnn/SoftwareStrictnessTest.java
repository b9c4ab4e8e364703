package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.shortcut.testing.device.SoftwareDevice;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The software device's cuDNN takes what NVIDIA's takes and refuses what NVIDIA's refuses, with the
 * same status; and it finds the mistakes that NVIDIA's lets pass or ends the process for.
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
  void theVerdictIsNvidiasOrStricterWhereThatIsTooLax(Strictness.Case use) {
    String verdict = use.put(Cudnn.open(), "h100");
    if (use.wrong()) {
      assertFalse(
          Set.of(Strictness.TAKEN, Strictness.PLANNED).contains(verdict)
              && SoftwareDevice.complaints().isEmpty(),
          () -> use + ": " + verdict + ", and no complaint");
    } else {
      assertEquals(use.verdict(), verdict, use::name);
    }
    assertEquals(Map.of(), SoftwareDevice.live());
  }
}
