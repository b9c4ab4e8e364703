package dev.shortcut.resnet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.graph.Weights;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class ArchitectureGuessTest {
  /** Names and extents without values. */
  private record Tensors(Map<String, List<Integer>> tensors) implements Weights {
    static Tensors of(Graph graph) {
      Map<String, List<Integer>> tensors = new TreeMap<>(); // files need not keep a network's order
      for (Parameter parameter : graph.parameters()) {
        tensors.put(parameter.name(), parameter.dims());
      }
      return new Tensors(tensors);
    }

    Tensors without(String part) {
      Map<String, List<Integer>> fewer = new LinkedHashMap<>(tensors);
      assertTrue(fewer.keySet().removeIf(name -> name.contains(part)), part);
      return new Tensors(fewer);
    }

    @Override
    public String description() {
      return "tensors";
    }

    @Override
    public Set<String> names() {
      return tensors.keySet();
    }

    @Override
    public List<Integer> dims(String name) {
      return Optional.ofNullable(tensors.get(name)).orElseThrow(NoSuchElementException::new);
    }

    @Override
    public void read(String name, MemorySegment target) {
      throw new UnsupportedOperationException("a guess needs no values");
    }

    @Override
    public void close() {}
  }

  private static Architecture guess(Weights weights) {
    return ArchitectureGuess.of(weights).orElseThrow().architecture();
  }

  static List<Architecture> distinguishable() {
    return Architecture.all().stream()
        .filter(a -> !a.name().startsWith("plain") && !a.name().endsWith("-v1"))
        .toList();
  }

  @ParameterizedTest
  @MethodSource("distinguishable")
  void everyNetworkIsToldFromItsTensors(Architecture architecture) {
    ArchitectureGuess guess =
        ArchitectureGuess.of(Tensors.of(architecture.graph(17, 64, 64))).orElseThrow();
    assertEquals(architecture, guess.architecture());
    assertEquals(17, guess.classes());
  }

  @ParameterizedTest
  @CsvSource({"resnet50-v1, resnet50", "plain20, resnet20"})
  void whatHasTheSameTensorsIsNotToldApartAndTheNoteSaysSo(String name, String guessed) {
    ArchitectureGuess guess =
        ArchitectureGuess.of(Tensors.of(Architecture.parse(name).graph())).orElseThrow();
    assertEquals(Architecture.parse(guessed), guess.architecture());
    assertTrue(guess.note().contains("the same tensors"), guess::note);
  }

  @ParameterizedTest
  @CsvSource({"resnet18, A", "resnet18, C", "resnet50, A", "resnet50, C", "resnet20, B"})
  void shortcutOptionsAreTold(String name, Shortcut shortcut) {
    Architecture architecture = Architecture.parse(name).withShortcut(shortcut);
    assertEquals(architecture, guess(Tensors.of(architecture.graph())));
  }

  @ParameterizedTest
  @CsvSource({
    "resnet50, layer1.0.conv2", "resnet50, layer1.0.", "resnet50, bn", "resnet50, fc.",
    "resnext50_32x4d, layer1.", "vgg16, features.0.", "vgg16_bn, running_mean", "vgg19, classifier"
  })
  void missingTensorsDoNotHideTheNetwork(String name, String missing) {
    Architecture architecture = Architecture.parse(name);
    Tensors damaged = Tensors.of(architecture.graph()).without(missing);
    if (missing.equals("layer1.")) {
      assertTrue(
          ArchitectureGuess.of(damaged).isEmpty(), "without its first stage it is no ResNet");
    } else {
      assertEquals(architecture, guess(damaged));
    }
  }

  @Test
  void anUnknownDepthIsANetworkToo() {
    var odd =
        new ResNet(
            "odd", ResNet.Stem.IMAGENET, ResNet.Unit.BASIC, List.of(1, 2, 1, 3), 1, 64, Shortcut.B);
    Architecture guess = guess(Tensors.of(odd.graph()));
    assertEquals("resnet_basic_1-2-1-3", guess.name());
    assertEquals(odd.graph().parameters(), guess.graph().parameters());
  }

  @Test
  void otherTensorsAreNoNetworkOfTheFamily() {
    assertTrue(ArchitectureGuess.of(new Tensors(Map.of())).isEmpty());
    assertTrue(
        ArchitectureGuess.of(new Tensors(Map.of("bert.encoder.weight", List.of(2, 3)))).isEmpty());
  }
}
