package dev.shortcut.resnet.weights;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.resnet.Fuzzer;
import dev.shortcut.testing.TestSeed;
import java.io.IOException;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever bytes a file consists of, it is read or refused. */
class WeightsFuzzTest {
  private static final int FLIPS = 5_000;

  private static byte[] safetensors() {
    return SafetensorsTest.file(
        """
        {"__metadata__":{"format":"pt"},
        "a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},
        "b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]},
        "c":{"dtype":"F16","shape":[],"data_offsets":[22,24]}}
        """,
        24);
  }

  private static Map<String, byte[]> examples(String... names) {
    Map<String, byte[]> examples = new TreeMap<>();
    for (String name : names) {
      examples.put(name, WeightsFileTest.resource(name));
    }
    return examples;
  }

  @Test
  void mutatedZipArchivesAreReadOrRefused() throws IOException, InterruptedException {
    Fuzzer.of(WeightsFuzz.class)
        .examples(examples("plain.pth", "strided.pth", "checkpoint.pth", "laughs.pth"))
        .instrument("org.apache.commons.compress.archivers.zip.**")
        .heap("256m")
        .run();
  }

  @Test
  void mutatedPicklesAreReadOrRefused() throws IOException, InterruptedException {
    Fuzzer.of(WeightsFuzz.class)
        .examples(
            examples("legacy.pth", "checkpoint-legacy.th", "python2-legacy.pth", "view-legacy.pth"))
        .heap("256m")
        .run();
  }

  @Test
  void mutatedSafetensorsAreReadOrRefused() throws IOException, InterruptedException {
    Fuzzer.of(WeightsFuzz.class)
        .examples(Map.of("tensors.safetensors", safetensors()))
        .instrument("com.fasterxml.jackson.core.**")
        .heap("256m")
        .run();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "plain.pth",
        "checkpoint.pth",
        "strided.pth",
        "legacy.pth",
        "checkpoint-legacy.th",
        "safetensors"
      })
  void flippedBitsAreReadOrRefused(String name) {
    byte[] whole = name.equals("safetensors") ? safetensors() : WeightsFileTest.resource(name);
    Random random = TestSeed.random("flips " + name);
    int refused = 0;
    for (int i = 0; i < FLIPS; i++) {
      byte[] damaged = whole.clone();
      for (int flips = random.nextInt(1, 4); flips > 0; flips--) {
        damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(8));
      }
      if (!WeightsFuzz.isRead(damaged)) {
        refused++;
      }
    }
    // Some flips only change a number; but if hardly any is noticed, this test reads the wrong
    // file.
    int count = refused;
    assertTrue(count > FLIPS / 20, () -> name + ": only " + count + " were refused");
  }
}
