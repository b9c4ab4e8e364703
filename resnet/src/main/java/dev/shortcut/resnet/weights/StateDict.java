package dev.shortcut.resnet.weights;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Finds the named tensors in what a PyTorch file holds: a state dict, or a checkpoint with one in
 * it.
 */
final class StateDict {
  /** Where training scripts put the weights in a checkpoint, the likeliest first. */
  private static final List<String> NESTS =
      List.of("state_dict", "model_state_dict", "model", "net");

  private static final int MAX_DEPTH = 3;

  private StateDict() {}

  /** The tensors of the state dict in {@code root}, in its order. */
  static Map<String, StoredTensor> tensors(Object root) throws FormatException {
    Pickle.Dictionary stateDict = find(root, 0);
    if (stateDict == null) {
      throw new FormatException(
          "it holds %s, and no state dict in it or under %s; save one with torch.save(model.state_dict(), FILE)"
              .formatted(describe(root), String.join(", ", NESTS)));
    }
    Map<String, StoredTensor> tensors = new LinkedHashMap<>();
    for (var entry : stateDict.entries().entrySet()) {
      if (!(entry.getValue() instanceof TorchVocabulary.View view)) {
        continue;
      }
      if (!(entry.getKey() instanceof String name) || !Printable.isPlain(name)) {
        throw new FormatException("it has a tensor whose name is not text");
      }
      tensors.put(name, view.tensor());
    }
    return tensors;
  }

  private static Pickle.@Nullable Dictionary find(Object value, int depth) {
    if (!(value instanceof Pickle.Dictionary dictionary) || depth == MAX_DEPTH) {
      return null;
    }
    // A checkpoint may have tensors of its own, such as the best accuracy, so what is nested goes
    // first.
    for (String nest : NESTS) {
      Object inner = dictionary.entries().get(nest);
      Pickle.Dictionary found = inner == null ? null : find(inner, depth + 1);
      if (found != null) {
        return found;
      }
    }
    boolean hasTensors =
        dictionary.entries().values().stream().anyMatch(TorchVocabulary.View.class::isInstance);
    return hasTensors ? dictionary : null;
  }

  private static String describe(Object root) {
    if (!(root instanceof Pickle.Dictionary dictionary)) {
      return Pickle.describe(root);
    }
    return dictionary.entries().keySet().stream()
        .limit(10)
        .map(key -> key instanceof String text ? Printable.of(text) : Pickle.describe(key))
        .collect(Collectors.joining(", ", "a dict of ", ""));
  }
}
