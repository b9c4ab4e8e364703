package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The table of right and wrong uses says what NVIDIA's cuDNN says. */
@Tag("vendor")
class VendorStrictnessTest {
  private static Cudnn cudnn;

  @BeforeAll
  static void open() {
    cudnn = VendorCudnn.open();
  }

  static List<Strictness.Case> cases() {
    return Strictness.cases().stream()
        .filter(use -> !use.verdict().equals(Strictness.CRASH))
        .toList();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void theVerdictIsNvidias(Strictness.Case use) {
    assertEquals(use.verdict(), use.put(cudnn, "h100"), use::name);
  }
}
