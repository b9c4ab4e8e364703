package dev.shortcut.resnet.batch;

import dev.shortcut.resnet.Fuzzer;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class NpyFuzzTest {
  @Test
  void mutatedFilesAreReadOrRefused() throws Exception {
    Map<String, byte[]> examples = new TreeMap<>();
    for (int version = 1; version <= 3; version++) {
      examples.put("floats-" + version, example("'<f4'", "(2, 3)", version, 24));
      examples.put("bytes-" + version, example("'|u1'", "(4, 2, 3)", version, 24));
    }
    examples.put("scalar", example("'<f4'", "()", 1, 4));
    examples.put("empty", example("'<f4'", "(0, 999999999999999999)", 1, 0));
    Fuzzer.of(NpyFuzz.class).examples(examples).heap("128m").run();
  }

  private static byte[] example(String descr, String shape, int version, int bytes) {
    return NpyTest.bytes(NpyTest.dict(descr, "False", shape), version, new byte[bytes]);
  }
}
