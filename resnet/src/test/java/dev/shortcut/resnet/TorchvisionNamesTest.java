package dev.shortcut.resnet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Parameter;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Names and extents are torchvision's; torchvision_names.py in the test tree writes the file. */
class TorchvisionNamesTest {
  private record Network(
      String name,
      int tensors,
      String tensorDigest,
      int layers,
      String layerDigest,
      List<String> inFull) {
    @Override
    public String toString() {
      return name;
    }
  }

  static List<Network> networks() throws IOException {
    String text;
    try (InputStream in =
        Objects.requireNonNull(
            TorchvisionNamesTest.class.getResourceAsStream("torchvision-names.txt"))) {
      text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
    Map<String, Network> networks = new LinkedHashMap<>();
    String current = "";
    for (String line : text.lines().skip(1).toList()) {
      if (line.startsWith("  ")) {
        Objects.requireNonNull(networks.get(current)).inFull.add(line.strip());
      } else {
        String[] fields = line.split(" ");
        current = fields[0];
        int tensors = Integer.parseInt(fields[1]);
        int layers = Integer.parseInt(fields[3]);
        networks.put(
            current,
            new Network(current, tensors, fields[2], layers, fields[4], new ArrayList<>()));
      }
    }
    return List.copyOf(networks.values());
  }

  @ParameterizedTest
  @MethodSource("networks")
  void tensorsAndLayersAreTorchvisions(Network network) {
    Graph graph = Architecture.parse(network.name).graph();
    List<String> tensors = graph.parameters().stream().map(TorchvisionNamesTest::line).toList();
    List<String> layers = graph.nodes().stream().skip(1).map(Node::name).toList();
    if (!network.inFull.isEmpty()) {
      assertEquals(network.inFull.subList(0, network.tensors), tensors);
      assertEquals(network.inFull.subList(network.tensors, network.inFull.size()), layers);
    }
    assertEquals(network.tensors, tensors.size());
    assertEquals(network.tensorDigest, digest(tensors));
    assertEquals(network.layers, layers.size());
    assertEquals(network.layerDigest, digest(layers));
  }

  private static String line(Parameter parameter) {
    return parameter.name()
        + " "
        + parameter.dims().stream().map(String::valueOf).collect(Collectors.joining("x"));
  }

  private static String digest(List<String> lines) {
    String text = lines.stream().map(line -> line + "\n").collect(Collectors.joining());
    try {
      byte[] hash =
          MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(hash);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void allOfTorchvisionsNetworksInTheFamilyAreInTheFile() throws IOException {
    List<String> compared = networks().stream().map(Network::name).toList();
    List<String> ours =
        Architecture.names().stream()
            .filter(name -> !name.startsWith("plain") && !name.endsWith("-v1"))
            .filter(name -> Architecture.parse(name).imageSize() == 224)
            .toList();
    assertEquals(ours, compared);
    assertTrue(compared.size() > 10);
  }
}
