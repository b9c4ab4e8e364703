package dev.shortcut.resnet;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.shortcut.testing.TestSeed;
import org.junit.jupiter.api.Test;

class ModulePathTest {
  @Test
  void testsRunInsideTheModule() {
    assertEquals("dev.shortcut.resnet", getClass().getModule().getName());
  }

  @Test
  void sharedTestSupportIsNotPartOfTheModule() {
    assertEquals(false, TestSeed.class.getModule().isNamed());
  }
}
