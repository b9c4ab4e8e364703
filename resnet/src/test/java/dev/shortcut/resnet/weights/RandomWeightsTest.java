package dev.shortcut.resnet.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.WeightsMatch;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.resnet.Architecture;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.NoSuchElementException;
import org.junit.jupiter.api.Test;

class RandomWeightsTest {
  private static Graph graph(String name) {
    return Golden.architecture(name).graph();
  }

  @Test
  void pythonDrawsTheSameBits() throws Exception {
    Map<String, RandomWeights> opened = new HashMap<>();
    int compared = 0;
    for (String line : Golden.text("random-weights.txt").lines().toList()) {
      String[] words = line.split(" ");
      String net = words[0];
      long seed = Long.parseLong(words[1]);
      RandomWeights weights =
          opened.computeIfAbsent(net + seed, _ -> new RandomWeights(graph(net), seed));
      float[] values = weights.read(words[2]);
      ByteBuffer bytes =
          ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
      bytes.asFloatBuffer().put(values);
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes.array());
      assertEquals(words[3], HexFormat.of().formatHex(digest), line);
      compared++;
    }
    assertTrue(compared > 100, () -> "the list of checksums is cut short");
  }

  @Test
  void theWeightsOfANetworkFitIt() {
    for (Architecture architecture : Architecture.all()) {
      Graph graph = architecture.graph();
      try (var weights = new RandomWeights(graph, 1)) {
        assertTrue(WeightsMatch.of(graph, weights).isExact(), architecture.name());
      }
    }
  }

  @Test
  void anotherSeedAndAnotherNetworkHaveAnotherFingerprint() {
    Graph graph = graph("resnet20");
    try (var one = new RandomWeights(graph, 1);
        var again = new RandomWeights(graph, 1);
        var two = new RandomWeights(graph, 2);
        var deeper = new RandomWeights(graph("resnet32"), 1)) {
      assertEquals("random:1", one.description());
      assertEquals(one.fingerprint(), again.fingerprint());
      assertNotEquals(one.fingerprint(), two.fingerprint());
      assertNotEquals(one.fingerprint(), deeper.fingerprint());
      assertTrue(one.fingerprint().matches("[0-9a-f]{64}"));
    }
  }

  @Test
  void useAfterCloseAndWrongNamesAreRefused() {
    var weights = new RandomWeights(graph("resnet20"), 1);
    assertThrows(NoSuchElementException.class, () -> weights.read("fc.wieght"));
    assertThrows(
        IllegalArgumentException.class,
        () -> weights.read("fc.bias", MemorySegment.ofArray(new float[9])));
    weights.close();
    weights.close();
    assertThrows(IllegalStateException.class, () -> weights.read("fc.bias"));
    assertThrows(IllegalStateException.class, weights::names);
    assertThrows(IllegalStateException.class, weights::fingerprint);
  }
}
