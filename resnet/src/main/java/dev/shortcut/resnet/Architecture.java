package dev.shortcut.resnet;

import dev.shortcut.engine.NearestNames;
import dev.shortcut.engine.graph.Graph;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A network of the family as data, from which a graph can be built for any image size and any
 * number of classes. Immutable.
 *
 * <pre>{@code
 * Graph graph = Architecture.parse("resnet50").graph(1000, 224, 224);
 * }</pre>
 *
 * <p>Nodes are called what torchvision's feature extraction calls them ({@code layer1.0.conv1},
 * {@code layer1.0.add}, {@code layer1.0.relu_2}), weights what its state dicts call them, so that a
 * file of torchvision's fits as it is.
 */
public sealed interface Architecture permits ResNet, Vgg {
  /** The name that {@link #parse} knows, such as {@code resnet50-v1}. */
  String name();

  /** Rows and columns of the images that this network was published for. */
  int imageSize();

  /** The number of classes that this network was published for. */
  int classes();

  /**
   * The network as defined, before any pass.
   *
   * @param classes number of outputs
   * @param height rows of an image, at least as many as the network's strides leave one row of
   * @param width columns of an image, likewise
   * @throws IllegalArgumentException if the image is too small, naming the layer that cannot take
   *     it
   */
  Graph graph(int classes, int height, int width);

  /** The network for the image size and the classes that it was published for. */
  default Graph graph() {
    return graph(classes(), imageSize(), imageSize());
  }

  /**
   * The same network with another kind of shortcut.
   *
   * @throws IllegalArgumentException if this network has no residual units
   */
  Architecture withShortcut(Shortcut shortcut);

  /**
   * Every network that {@link #parse} knows, in the order of the tables in {@link ResNet} and
   * {@link Vgg}.
   */
  static List<Architecture> all() {
    return Stream.<Architecture>concat(ResNet.FAMILY.stream(), Vgg.FAMILY.stream()).toList();
  }

  /** The names of all networks. */
  static List<String> names() {
    return all().stream().map(Architecture::name).toList();
  }

  /**
   * The network of that name, upper or lower case. {@code resnet18-v1} and {@code resnet34-v1} are
   * accepted and are {@code resnet18} and {@code resnet34}: the two versions differ in the first
   * 1x1 convolution of a bottleneck, which these do not have.
   *
   * @throws IllegalArgumentException if there is none, with the names that come nearest
   */
  static Architecture parse(String name) {
    String wanted = name.toLowerCase(Locale.ROOT);
    String known = wanted.matches("resnet(18|34)-v1") ? wanted.replace("-v1", "") : wanted;
    Optional<Architecture> found = all().stream().filter(a -> a.name().equals(known)).findFirst();
    return found.orElseThrow(() ->
        new IllegalArgumentException(
            "no network is called %s; the nearest names are %s"
                .formatted(name, String.join(", ", NearestNames.to(known, names(), 3)))));
  }
}
