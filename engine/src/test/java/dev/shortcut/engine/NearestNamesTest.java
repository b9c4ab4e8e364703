package dev.shortcut.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NearestNamesTest {
  @ParameterizedTest
  @CsvSource({
    "kitten, sitting, 3",
    "'', abc, 3",
    "abc, '', 3",
    "same, same, 0",
    "ab, ba, 2",
    "fc.weight, fc.wieght, 2",
  })
  void theDistanceIsTheFewestEdits(String a, String b, int edits) {
    assertEquals(edits, NearestNames.distance(a, b));
    assertEquals(edits, NearestNames.distance(b, a));
  }

  @Test
  void theNearestComeFirstAndEquallyNearOnesInTheirOrder() {
    assertEquals(
        List.of("resnet50", "resnet18", "resnet34"),
        NearestNames.to("resnet5", List.of("vgg16", "resnet18", "resnet34", "resnet50"), 3));
  }
}
