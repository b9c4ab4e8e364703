package dev.shortcut.engine.graph;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;

/** Every parameter of a graph with one value everywhere, without an array of it. */
final class ConstantWeights implements Weights {
  private final Map<String, Parameter> parameters = new LinkedHashMap<>();
  private final float value;
  private volatile boolean closed;

  ConstantWeights(Graph graph, float value) {
    graph.parameters().forEach(parameter -> parameters.put(parameter.name(), parameter));
    this.value = value;
  }

  @Override
  public String description() {
    return "constant:" + value;
  }

  @Override
  public Set<String> names() {
    return Collections.unmodifiableSet(open().keySet());
  }

  @Override
  public List<Integer> dims(String name) {
    return parameter(name).dims();
  }

  @Override
  public void read(String name, MemorySegment target) {
    long elements = parameter(name).elements();
    if (target.byteSize() / Float.BYTES < elements) {
      throw new IllegalArgumentException(
          "%s has %d elements, and there is room for %d bytes"
              .formatted(name, elements, target.byteSize()));
    }
    for (long i = 0; i < elements; i++) {
      target.setAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, i, value);
    }
  }

  private Parameter parameter(String name) {
    Parameter parameter = open().get(name);
    if (parameter == null) {
      throw new NoSuchElementException(name);
    }
    return parameter;
  }

  private Map<String, Parameter> open() {
    if (closed) {
      throw new IllegalStateException(description() + " is closed");
    }
    return parameters;
  }

  @Override
  public void close() {
    closed = true;
  }
}
