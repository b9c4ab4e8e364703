package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class KnownDevicesTest {
  @Test
  void everyNameHasADescription() {
    for (String name : KnownDevices.names()) {
      String json = KnownDevices.json(name);
      assertTrue(json.contains("\"deviceVer\""), name);
      assertTrue(json.contains("\"driverVer\""), name);
    }
  }

  @Test
  void anUnknownNameIsAnsweredWithTheKnownOnes() {
    for (String name : new String[] {"H100", "", "../devices/h100", "h100.json"}) {
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> KnownDevices.json(name));
      assertTrue(e.getMessage().contains("h100"), e.getMessage());
    }
  }
}
