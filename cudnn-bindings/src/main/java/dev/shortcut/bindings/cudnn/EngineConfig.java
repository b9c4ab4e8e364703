package dev.shortcut.bindings.cudnn;

import dev.shortcut.bindings.library.Closer;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** An engine with its settings: one way to compute a graph. What is read of it is immutable. */
public final class EngineConfig {
  private final Descriptor descriptor;
  private final long engineIndex;
  private final Set<NumericalNote> numericalNotes;
  private final Set<BehaviorNote> behaviorNotes;
  private final List<KnobChoice> knobs;
  private final List<KnobRange> knobRanges;

  private EngineConfig(Cudnn cudnn, Descriptor descriptor, Descriptor engine) {
    this.descriptor = descriptor;
    engineIndex = engine.getLong(CudnnConstants.ATTR_ENGINE_GLOBAL_INDEX);
    numericalNotes =
        notes(
            engine.getInts(
                CudnnConstants.ATTR_ENGINE_NUMERICAL_NOTE, CudnnConstants.TYPE_NUMERICAL_NOTE),
            NumericalNote::new);
    behaviorNotes =
        notes(
            engine.getInts(
                CudnnConstants.ATTR_ENGINE_BEHAVIOR_NOTE, CudnnConstants.TYPE_BEHAVIOR_NOTE),
            BehaviorNote::new);
    try (var local = new Closer()) {
      knobRanges =
          engine
              .getDescriptors(
                  cudnn,
                  local,
                  CudnnConstants.ATTR_ENGINE_KNOB_INFO,
                  CudnnConstants.BACKEND_KNOB_INFO_DESCRIPTOR,
                  engine.countDescriptors(CudnnConstants.ATTR_ENGINE_KNOB_INFO))
              .stream()
              .map(EngineConfig::range)
              .toList();
      knobs =
          descriptor
              .getDescriptors(
                  cudnn,
                  local,
                  CudnnConstants.ATTR_ENGINECFG_KNOB_CHOICES,
                  CudnnConstants.BACKEND_KNOB_CHOICE_DESCRIPTOR,
                  knobRanges.size())
              .stream()
              .map(EngineConfig::choice)
              .toList();
    }
  }

  /** What a configuration that cuDNN filled in says of itself. */
  static EngineConfig read(Cudnn cudnn, Descriptor descriptor) {
    try (var local = new Closer()) {
      Descriptor engine =
          descriptor
              .getDescriptors(
                  cudnn,
                  local,
                  CudnnConstants.ATTR_ENGINECFG_ENGINE,
                  CudnnConstants.BACKEND_ENGINE_DESCRIPTOR,
                  1)
              .getFirst();
      return new EngineConfig(cudnn, descriptor, engine);
    }
  }

  /**
   * Rebuilds a configuration from what {@link #engineIndex} and {@link #knobs} said of one.
   *
   * @param properties the device that is described; null where the graph was made with a handle
   * @throws CudnnException if this cuDNN has no such engine or setting for the graph
   */
  public static EngineConfig of(
      Cudnn cudnn,
      Closer owner,
      OperationGraph graph,
      long engineIndex,
      List<KnobChoice> knobs,
      @Nullable DeviceProperties properties) {
    Descriptor engine =
        Descriptor.create(cudnn, owner, CudnnConstants.BACKEND_ENGINE_DESCRIPTOR)
            .setDescriptors(CudnnConstants.ATTR_ENGINE_OPERATION_GRAPH, graph.descriptor())
            .setLongs(CudnnConstants.ATTR_ENGINE_GLOBAL_INDEX, engineIndex);
    if (properties != null) {
      engine.setDescriptors(CudnnConstants.ATTR_ENGINE_DEVICEPROP, properties.descriptor());
    }
    engine.complete();
    Descriptor config =
        Descriptor.create(cudnn, owner, CudnnConstants.BACKEND_ENGINECFG_DESCRIPTOR)
            .setDescriptors(CudnnConstants.ATTR_ENGINECFG_ENGINE, engine);
    if (!knobs.isEmpty()) {
      config.setDescriptors(
          CudnnConstants.ATTR_ENGINECFG_KNOB_CHOICES,
          knobs.stream().map(knob -> describe(cudnn, owner, knob)).toArray(Descriptor[]::new));
    }
    return new EngineConfig(cudnn, config.complete(), engine);
  }

  /** cuDNN's number of the engine among those for graphs of this kind. */
  public long engineIndex() {
    return engineIndex;
  }

  /** What the engine does to the numbers. */
  public Set<NumericalNote> numericalNotes() {
    return numericalNotes;
  }

  /** What using the engine entails. */
  public Set<BehaviorNote> behaviorNotes() {
    return behaviorNotes;
  }

  /** The settings that were chosen. */
  public List<KnobChoice> knobs() {
    return knobs;
  }

  /** The settings that the engine has. */
  public List<KnobRange> knobRanges() {
    return knobRanges;
  }

  /** Index and settings, such as {@code engine 4 [TILE_SIZE=5]}. */
  @Override
  public String toString() {
    return "engine " + engineIndex + " " + knobs;
  }

  Descriptor descriptor() {
    return descriptor;
  }

  private static <T> Set<T> notes(int[] codes, IntFunction<T> note) {
    return Arrays.stream(codes).mapToObj(note).collect(Collectors.toUnmodifiableSet());
  }

  private static KnobChoice choice(Descriptor knob) {
    return new KnobChoice(
        new KnobType(
            knob.getInt(CudnnConstants.ATTR_KNOB_CHOICE_KNOB_TYPE, CudnnConstants.TYPE_KNOB_TYPE)),
        knob.getLong(CudnnConstants.ATTR_KNOB_CHOICE_KNOB_VALUE));
  }

  private static KnobRange range(Descriptor knob) {
    return new KnobRange(
        new KnobType(
            knob.getInt(CudnnConstants.ATTR_KNOB_INFO_TYPE, CudnnConstants.TYPE_KNOB_TYPE)),
        knob.getLong(CudnnConstants.ATTR_KNOB_INFO_MINIMUM_VALUE),
        knob.getLong(CudnnConstants.ATTR_KNOB_INFO_MAXIMUM_VALUE),
        knob.getLong(CudnnConstants.ATTR_KNOB_INFO_STRIDE));
  }

  private static Descriptor describe(Cudnn cudnn, Closer owner, KnobChoice knob) {
    return Descriptor.create(cudnn, owner, CudnnConstants.BACKEND_KNOB_CHOICE_DESCRIPTOR)
        .setInts(
            CudnnConstants.ATTR_KNOB_CHOICE_KNOB_TYPE,
            CudnnConstants.TYPE_KNOB_TYPE,
            knob.type().code())
        .setLongs(CudnnConstants.ATTR_KNOB_CHOICE_KNOB_VALUE, knob.value())
        .complete();
  }
}
