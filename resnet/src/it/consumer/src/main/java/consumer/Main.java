package consumer;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.resnet.Architecture;
import dev.shortcut.resnet.weights.RandomWeights;

/** Runs one image through a small network on the CPU and on the reference, and compares the two. */
final class Main {
  public static void main(String[] args) throws InterruptedException {
    Graph graph = Architecture.parse("resnet20").graph(10, 32, 32);
    float[] expected = logits(graph, BackendChoice.REFERENCE);
    float[] actual = logits(graph, BackendChoice.CPU);
    float difference = 0;
    float largest = 0;
    for (int i = 0; i < expected.length; i++) {
      difference = Math.max(difference, Math.abs(expected[i] - actual[i]));
      largest = Math.max(largest, Math.abs(expected[i]));
    }
    if (!(difference <= 1e-4f * largest)) {
      throw new AssertionError("the CPU is off by " + difference + " of " + largest);
    }
    System.out.printf(
        "%s: %d logits, engine in %s%n",
        Main.class.getModule(), actual.length, Engine.class.getModule());
  }

  private static float[] logits(Graph graph, BackendChoice backend) throws InterruptedException {
    float[] image = new float[3 * 32 * 32];
    for (int i = 0; i < image.length; i++) {
      image[i] = i % 7 - 3;
    }
    try (var weights = new RandomWeights(graph, 1);
        Engine engine =
            Engine.open(Model.of(graph, weights), Options.defaults().withBackend(backend))) {
      return engine.run(image);
    }
  }
}
