package dev.shortcut.resnet;

import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.graph.Weights;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Which network a set of tensors looks like, told from names and extents alone; tensors may be
 * missing or damaged.
 *
 * @param architecture the network; one of {@link Architecture#all} where its structure is one of
 *     theirs
 * @param classes rows of the last linear layer; the network's published number where the file lacks
 *     that layer
 * @param note what cannot be told from tensors, as a sentence; empty where there is nothing
 */
public record ArchitectureGuess(Architecture architecture, int classes, String note) {
  // Three digits are what the deepest network needs, and keep what a hostile file can ask for
  // small.
  private static final Pattern UNIT_TENSOR =
      Pattern.compile("layer([1-4])\\.(\\d{1,3})\\.(conv[1-3]|downsample\\.0)\\.weight");

  /**
   * Tells the network from a source of weights whose names are torchvision's.
   *
   * @return empty where it looks like none of the family
   */
  public static Optional<ArchitectureGuess> of(Weights weights) {
    Set<String> names = weights.names();
    if (names.stream().anyMatch(name -> UNIT_TENSOR.matcher(name).matches())) {
      return resNet(weights);
    }
    if (names.stream().anyMatch(name -> name.matches("features\\.\\d{1,3}\\.weight"))) {
      return Optional.of(vgg(weights));
    }
    return Optional.empty();
  }

  private static Optional<ArchitectureGuess> resNet(Weights weights) {
    Map<Integer, Integer> depths = new TreeMap<>();
    boolean bottleneck = false;
    boolean projects = false;
    boolean projectsEverywhere = false;
    for (String name : weights.names()) {
      Matcher tensor = UNIT_TENSOR.matcher(name);
      if (!tensor.matches()) {
        continue;
      }
      int unit = Integer.parseInt(tensor.group(2));
      depths.merge(Integer.parseInt(tensor.group(1)), unit + 1, Math::max);
      bottleneck |= tensor.group(3).equals("conv3");
      projects |= tensor.group(3).startsWith("downsample");
      projectsEverywhere |= tensor.group(3).startsWith("downsample") && unit > 0;
    }
    if (!List.copyOf(depths.keySet())
        .equals(List.of(1, 2, 3, 4).subList(0, Math.min(4, depths.size())))) {
      return Optional.empty();
    }
    Grouping grouping = bottleneck ? grouping(weights) : new Grouping(1, 64);
    var structure =
        new ResNet(
            "a residual network",
            depths.size() == 3 ? ResNet.Stem.CIFAR : ResNet.Stem.IMAGENET,
            bottleneck ? ResNet.Unit.BOTTLENECK : ResNet.Unit.BASIC,
            List.copyOf(depths.values()),
            grouping.groups,
            grouping.width,
            projectsEverywhere ? Shortcut.C : projects ? Shortcut.B : Shortcut.A);
    ResNet named = named(structure);
    return Optional.of(
        new ArchitectureGuess(named, classes(weights, "fc.weight", named), note(structure)));
  }

  private record Grouping(int groups, int width) {}

  /**
   * From the first 3x3 convolution of a bottleneck that the file has; what ResNet-50 has where
   * there is none.
   */
  private static Grouping grouping(Weights weights) {
    for (String name : weights.names()) {
      Matcher tensor = UNIT_TENSOR.matcher(name);
      if (tensor.matches() && tensor.group(3).equals("conv2")) {
        List<Integer> dims = dims(weights, name);
        int width = dims.get(1) >> (Integer.parseInt(tensor.group(1)) - 1);
        if (width > 0) {
          return new Grouping(Math.max(1, dims.get(0) / dims.get(1)), width);
        }
      }
    }
    return new Grouping(1, 64);
  }

  /** The same structure under the name of the first of the family that has it. */
  private static ResNet named(ResNet structure) {
    String units = structure.unit() == ResNet.Unit.BASIC ? "basic" : "bottleneck";
    String depths =
        structure.depths().stream().map(String::valueOf).collect(Collectors.joining("-"));
    String name =
        ResNet.FAMILY.stream()
            .filter(known ->
                rename(structure, known.name()).equals(known.withShortcut(structure.shortcut())))
            .map(ResNet::name)
            .findFirst()
            .orElse("resnet_%s_%s".formatted(units, depths).toLowerCase(Locale.ROOT));
    return rename(structure, name);
  }

  private static ResNet rename(ResNet structure, String name) {
    return new ResNet(
        name,
        structure.stem(),
        structure.unit(),
        structure.depths(),
        structure.groups(),
        structure.groupWidth(),
        structure.shortcut());
  }

  private static String note(ResNet structure) {
    if (structure.shortcut() == Shortcut.A) {
      return "a plain network and one with shortcut option A have the same tensors";
    }
    return structure.unit() == ResNet.Unit.BOTTLENECK
        ? "stride in the first 1x1 convolution (-v1) or in the 3x3: both have the same tensors"
        : "";
  }

  /** The VGG that shares most tensors with the file, the smallest one of equals. */
  private static ArchitectureGuess vgg(Weights weights) {
    Vgg best =
        Vgg.FAMILY.stream()
            .max(Comparator.comparingLong(candidate -> agreement(candidate, weights)))
            .orElseThrow();
    return new ArchitectureGuess(best, classes(weights, "classifier.6.weight", best), "");
  }

  /** Tensors of the same name and extents in both, less those that only one of them has. */
  private static long agreement(Vgg candidate, Weights weights) {
    Map<String, List<Integer>> wanted =
        candidate.graph().parameters().stream()
            .filter(parameter -> parameter.name().startsWith("features."))
            .collect(Collectors.toMap(Parameter::name, Parameter::dims));
    Set<String> present = new HashSet<>(weights.names());
    present.removeIf(name -> !name.startsWith("features.") || name.endsWith("num_batches_tracked"));
    long same =
        present.stream().filter(name -> weights.dims(name).equals(wanted.get(name))).count();
    return same - (present.size() - same) - (wanted.size() - same);
  }

  private static int classes(Weights weights, String name, Architecture architecture) {
    List<Integer> dims = dims(weights, name);
    return dims.getFirst() > 0 ? dims.getFirst() : architecture.classes();
  }

  /** The first two extents of a tensor; zeros where it is missing or has fewer. */
  private static List<Integer> dims(Weights weights, String name) {
    List<Integer> dims = weights.names().contains(name) ? weights.dims(name) : List.of();
    return dims.size() < 2 ? List.of(0, 0) : dims.subList(0, 2);
  }
}
