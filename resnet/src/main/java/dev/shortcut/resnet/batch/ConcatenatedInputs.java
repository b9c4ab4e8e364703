package dev.shortcut.resnet.batch;

import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** Several sources, one behind another. */
record ConcatenatedInputs(List<Inputs> parts) implements Inputs {
  ConcatenatedInputs {
    parts = List.copyOf(parts);
  }

  @Override
  public Iterator<Input> open() {
    return new ConcatenatedIterator<>(
        parts.stream().map(part -> (Iterable<Input>) part::open).iterator());
  }

  @Override
  public Optional<Survey> survey() {
    List<Optional<Survey>> surveys = parts.stream().map(Inputs::survey).toList();
    if (surveys.stream().anyMatch(Optional::isEmpty)) {
      return Optional.empty();
    }
    List<Survey> all = surveys.stream().flatMap(Optional::stream).toList();
    return Optional.of(
        new Survey(
            all.stream().mapToLong(Survey::count).sum(),
            all.stream().map(Survey::fingerprint).collect(Collectors.joining("+"))));
  }

  @Override
  public String toString() {
    return parts.stream().map(Inputs::toString).collect(Collectors.joining(", "));
  }
}
