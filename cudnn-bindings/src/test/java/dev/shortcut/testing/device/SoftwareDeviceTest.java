package dev.shortcut.testing.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("native")
class SoftwareDeviceTest {
  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    SoftwareDevice.reset();
  }

  @Test
  void aResetLeavesNothing() {
    assertEquals(0, SoftwareDevice.calls());
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
    assertTrue(SoftwareDevice.library("cuda").endsWith("libcuda.so.1"));
  }
}
