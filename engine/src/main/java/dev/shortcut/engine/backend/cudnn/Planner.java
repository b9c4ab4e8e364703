package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cudnn.BehaviorNote;
import dev.shortcut.bindings.cudnn.Cudnn;
import dev.shortcut.bindings.cudnn.CudnnException;
import dev.shortcut.bindings.cudnn.CudnnHandle;
import dev.shortcut.bindings.cudnn.CudnnStatus;
import dev.shortcut.bindings.cudnn.DeviceProperties;
import dev.shortcut.bindings.cudnn.EngineConfig;
import dev.shortcut.bindings.cudnn.ExecutionPlan;
import dev.shortcut.bindings.cudnn.HeuristicMode;
import dev.shortcut.bindings.cudnn.Heuristics;
import dev.shortcut.bindings.cudnn.NumericalNote;
import dev.shortcut.bindings.cudnn.OperationGraph;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.EnginePlan;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Chooses among what cuDNN offers for a kernel on one kind of device, which need not be present:
 * its properties are enough. The first of cuDNN's own ranking is taken that computes as precisely
 * as asked for, gives the same bits every time, keeps its scratch space within a bound, and can
 * really be made, which a ranking does not promise.
 *
 * <p>Equal kernels are planned once. Not thread-safe.
 */
final class Planner {
  /**
   * The most scratch space that a plan may want, in bytes: some of cuDNN's first choices want
   * hundreds of megabytes and are hardly faster than their neighbours.
   */
  static final long WORKSPACE_LIMIT = 64L << 20;

  private static final Logger LOG = System.getLogger(Planner.class.getName());

  private static final Map<String, List<String>> SLOWER =
      Map.of("is slower", List.of("than the sum in the other order, when both were timed"));

  /** Engines that compute something else than was asked for, or something else every time. */
  private static final List<NumericalNote> NEVER =
      List.of(
          NumericalNote.DOWN_CONVERT_INPUTS,
          NumericalNote.NONDETERMINISTIC,
          NumericalNote.REDUCED_PRECISION_REDUCTION);

  private final Cudnn cudnn;
  private final DeviceProperties properties;
  private final @Nullable PlanCache cache;
  private final Map<CudnnKernel, Outcome> outcomes = new HashMap<>();

  /** What was taken after timing, now or at an earlier start on such a device. */
  private final Set<CudnnKernel> timed = new HashSet<>();

  /** What was not taken of what cuDNN was asked for. */
  private final Map<CudnnKernel, PassedOver> passedOver = new HashMap<>();

  private boolean doubting;

  /**
   * A planner for one kind of device.
   *
   * @param properties must live as long as the planner
   * @param cache what was made before, and what is made now for later; null for none
   */
  Planner(Cudnn cudnn, DeviceProperties properties, @Nullable PlanCache cache) {
    this.cudnn = cudnn;
    this.properties = properties;
    this.cache = cache;
  }

  /** What came of looking for a plan. */
  sealed interface Outcome {}

  /** A plan was found. */
  record Found(Plan plan) implements Outcome {}

  /**
   * There is none.
   *
   * @param kernel what was wanted
   * @param reasons why not, with what each was said of
   * @param kept whether that was found out at an earlier start
   */
  record Refused(CudnnKernel kernel, Map<String, List<String>> reasons, boolean kept)
      implements Outcome {
    @Override
    public String toString() {
      return "%s: %s".formatted(kernel, reasons.isEmpty() ? "no candidates" : words(reasons));
    }
  }

  /** The plan for a kernel, if there is one. */
  Outcome plan(CudnnKernel kernel) {
    Outcome outcome = outcomes.get(kernel);
    if (outcome == null) {
      outcome = cache == null ? search(kernel) : search(kernel, cache);
      outcomes.put(kernel, outcome);
      LOG.log(Level.DEBUG, "{0}: {1}", kernel, outcome);
    }
    return outcome;
  }

  /**
   * Whether what is taken for a kernel was timed on such a device, so that it need not be again.
   */
  boolean isTimed(CudnnKernel kernel) {
    return timed.contains(kernel);
  }

  /**
   * From now on asks cuDNN for what it refused at an earlier start, as if that were not kept.
   *
   * @return whether anything was taken to be refused for that reason until now
   */
  boolean doubtKeptRefusals() {
    doubting = true;
    return removeKeptRefusals(outcomes);
  }

  /**
   * Removes what is taken to be refused since it was at an earlier start.
   *
   * @return whether there was anything
   */
  static boolean removeKeptRefusals(Map<CudnnKernel, Outcome> outcomes) {
    return outcomes
        .values()
        .removeIf(outcome -> outcome instanceof Refused(_, _, boolean kept) && kept);
  }

  private PlanKey key(CudnnKernel kernel) {
    return PlanKey.of(kernel, cudnn, properties.compared());
  }

  private Outcome search(CudnnKernel kernel, PlanCache plans) {
    long start = System.nanoTime();
    PlanKey key = key(kernel);
    Optional<PlanEntry> kept = plans.find(key);
    Optional<Outcome> outcome = kept.flatMap(entry -> asKept(kernel, entry, start));
    if (outcome.isPresent()) {
      plans.taken();
      return outcome.get();
    }
    for (PlanEntry entry : Stream.concat(kept.stream(), plans.relatives(key).stream()).toList()) {
      Optional<Outcome> rebuilt = madeAgain(kernel, entry, start);
      if (rebuilt.isPresent()) {
        // What is fastest on one device need not be on another.
        boolean stillTimed = entry.timed() && entry.key().equals(key);
        if (stillTimed) {
          timed.add(kernel);
        }
        plans.rebuilt(key, entry.key());
        plans.store(entry(key, stillTimed, rebuilt.get()));
        return rebuilt.get();
      }
    }
    Outcome found = search(kernel);
    if (found instanceof Found) {
      plans.chosen(key);
    }
    PassedOver others = passedOver(kernel);
    if (found instanceof Found ? others.allowsChoices() : others.allowsRefusals()) {
      plans.store(entry(key, false, found));
    }
    return found;
  }

  /** What an entry for this very kernel and device says, if it can be used as it is. */
  private Optional<Outcome> asKept(CudnnKernel kernel, PlanEntry entry, long start) {
    Optional<Outcome> outcome =
        switch (entry.kept()) {
          case PlanEntry.Engine plan ->
              restored(kernel, plan, start)
                  .map(made ->
                      new Found(
                          entry.timed()
                              ? made.describedAs(
                                  made.description() + ", the fastest at an earlier start")
                              : made));
          case PlanEntry.Slower _ -> slower(kernel);
          case PlanEntry.Refusal(var reasons) ->
              doubting ? Optional.empty() : Optional.of(new Refused(kernel, reasons, true));
          case PlanEntry.Rank _ -> Optional.empty();
        };
    if (outcome.isPresent() && entry.timed()) {
      timed.add(kernel);
    }
    return outcome;
  }

  /** What comes of an entry for such a device, or for another one. */
  private Optional<Outcome> madeAgain(CudnnKernel kernel, PlanEntry entry, long start) {
    return switch (entry.kept()) {
      case PlanEntry.Engine plan -> rebuilt(kernel, plan, start).map(Found::new);
      case PlanEntry.Slower _ -> slower(kernel);
      case PlanEntry.Refusal _, PlanEntry.Rank _ -> Optional.empty();
    };
  }

  /** That the other order of the sum is faster, if there is one that has a plan. */
  private Optional<Outcome> slower(CudnnKernel kernel) {
    if (!(kernel instanceof CudnnKernel.Convolution convolution)) {
      return Optional.empty();
    }
    Outcome slower = slowerThanTheOther(kernel);
    // Where both are said to be slower, the one that is asked for first is believed to be.
    outcomes.put(kernel, slower);
    return convolution.otherOrder().filter(other -> plan(other) instanceof Found).map(_ -> slower);
  }

  private static Refused slowerThanTheOther(CudnnKernel kernel) {
    return new Refused(kernel, SLOWER, false);
  }

  private static PlanEntry entry(PlanKey key, boolean timed, Outcome outcome) {
    return switch (outcome) {
      case Found(Plan plan) -> PlanEntry.of(key, timed, plan);
      case Refused(_, var reasons, _) ->
          new PlanEntry(
              key,
              timed,
              reasons.equals(SLOWER) ? new PlanEntry.Slower() : new PlanEntry.Refusal(reasons));
    };
  }

  /** The plan as it was kept, if cuDNN takes it for this device. */
  private Optional<Plan> restored(CudnnKernel kernel, PlanEntry.Engine entry, long start) {
    if (unsuitable(kernel, entry.numericalNotes()).isPresent()
        || isTooMuch(entry.workspaceBytes())) {
      return Optional.empty();
    }
    try (var owner = new Closer()) {
      ExecutionPlan plan = ExecutionPlan.fromJson(cudnn, owner, entry.json(), properties);
      return plan.workspaceBytes() == entry.workspaceBytes()
          ? Optional.of(plan(entry, EnginePlan.Source.CACHED_PLAN, start))
          : Optional.empty();
    } catch (CudnnException e) {
      LOG.log(Level.DEBUG, "{0}: the kept plan is refused: {1}", kernel, e.getMessage());
      return Optional.empty();
    }
  }

  /** A plan of the same engine with the same settings, if it does what is wanted here, too. */
  private Optional<Plan> rebuilt(CudnnKernel kernel, PlanEntry.Engine entry, long start) {
    try (var owner = new Closer()) {
      OperationGraph graph = CudnnGraphs.build(cudnn, owner, kernel);
      EngineConfig config =
          EngineConfig.of(cudnn, owner, graph, entry.engine(), entry.knobs(), properties);
      if (unsuitable(kernel, config.numericalNotes()).isPresent()) {
        return Optional.empty();
      }
      ExecutionPlan plan = ExecutionPlan.of(cudnn, owner, config, null);
      if (isTooMuch(plan.workspaceBytes())) {
        return Optional.empty();
      }
      var made =
          new PlanEntry.Engine(
              plan.json(),
              config.engineIndex(),
              config.knobs(),
              config.numericalNotes(),
              config.behaviorNotes(),
              plan.workspaceBytes());
      return Optional.of(plan(made, EnginePlan.Source.ENGINE_AND_KNOBS, start));
    } catch (CudnnException e) {
      LOG.log(Level.DEBUG, "{0}: the kept engine is refused: {1}", kernel, e.getMessage());
      return Optional.empty();
    }
  }

  private static Plan plan(PlanEntry.Engine entry, EnginePlan.Source source, long start) {
    return new Plan(
        entry.json(),
        entry.engine(),
        entry.knobs(),
        entry.numericalNotes(),
        entry.behaviorNotes(),
        entry.workspaceBytes(),
        0,
        source,
        System.nanoTime() - start,
        "%s, %s"
            .formatted(
                named(entry.engine(), entry.numericalNotes(), entry.behaviorNotes()), source));
  }

  private Outcome search(CudnnKernel kernel) {
    List<Plan> found = alternatives(kernel, 1);
    return found.isEmpty()
        ? new Refused(kernel, passedOver(kernel).reasons, false)
        : new Found(found.getFirst());
  }

  private PassedOver passedOver(CudnnKernel kernel) {
    return passedOver.computeIfAbsent(kernel, _ -> new PassedOver());
  }

  /** The first of those that may be taken, in the order in which they are tried. */
  List<Plan> alternatives(CudnnKernel kernel, int most) {
    var others = new PassedOver();
    passedOver.put(kernel, others);
    long start = System.nanoTime();
    List<Plan> found = new ArrayList<>();
    try (var owner = new Closer()) {
      search(
          kernel,
          CudnnGraphs.build(cudnn, owner, kernel),
          null,
          Long.MAX_VALUE,
          owner,
          others,
          (candidate, plan, mode, ranked) -> {
            found.add(
                new Plan(
                    plan.json(),
                    candidate.engineIndex(),
                    candidate.knobs(),
                    candidate.numericalNotes(),
                    candidate.behaviorNotes(),
                    plan.workspaceBytes(),
                    ranked.size() - 1,
                    EnginePlan.Source.HEURISTICS,
                    System.nanoTime() - start,
                    description(candidate, mode, ranked, others.reasons)));
            return found.size() == most;
          });
    } catch (CudnnException e) {
      // A graph that is refused as a whole has no candidates; others may be taken instead.
      others.add(String.valueOf(e.getMessage()), "the graph", e);
    }
    return found;
  }

  /** What was not taken, and why. */
  private static final class PassedOver {
    private final Map<String, List<String>> reasons = new LinkedHashMap<>();
    private boolean mayPass;
    private boolean notCompiled;

    void add(String reason, String candidate) {
      reasons.computeIfAbsent(reason, _ -> new ArrayList<>()).add(candidate);
    }

    void add(String reason, String candidate, CudnnException failure) {
      add(reason, candidate);
      mayPass |= mayPass(failure);
      notCompiled |= failure.status() == CudnnStatus.INTERNAL_ERROR_COMPILATION_FAILED;
    }

    /**
     * Whether what was taken instead may be kept. Also where a kernel could not be compiled, which
     * another driver or NVRTC, whose versions need not be in the key, may do: some of cuDNN's
     * candidates fail so on complete installations, too, where hardly anything would be kept else.
     */
    boolean allowsChoices() {
      return !mayPass;
    }

    /** Whether it may be kept that nothing could be taken, which is believed for as long. */
    boolean allowsRefusals() {
      return !mayPass && !notCompiled;
    }

    /**
     * Whether it may work at another time: for want of a library, of another version of one, of
     * memory, or of the device.
     */
    private static boolean mayPass(CudnnException e) {
      return switch (e.status()) {
        case NOT_SUPPORTED_INCOMPATIBLE_CUDA_DRIVER,
            NOT_SUPPORTED_INCOMPATIBLE_CUDART,
            NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING,
            NOT_SUPPORTED_SUBLIBRARY_UNAVAILABLE,
            INTERNAL_ERROR_HOST_ALLOCATION_FAILED,
            INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ->
            true;
        default ->
            e.code() < CudnnStatus.BAD_PARAM.code()
                || e.code() >= CudnnStatus.EXECUTION_FAILED.code();
      };
    }
  }

  /** Is given what may be taken. */
  @FunctionalInterface
  private interface Taker {
    /** Whether that is enough. */
    boolean take(
        EngineConfig candidate, ExecutionPlan plan, HeuristicMode mode, List<EngineConfig> ranked);
  }

  /**
   * Tries cuDNN's candidates.
   *
   * @param handle the graph's; null where it is for a device that is described
   * @param mostWorkspace a bound for scratch space beside the one that there always is
   */
  private void search(
      CudnnKernel kernel,
      OperationGraph graph,
      @Nullable CudnnHandle handle,
      long mostWorkspace,
      Closer owner,
      PassedOver passedOver,
      Taker taker) {
    for (HeuristicMode mode : List.of(HeuristicMode.A, HeuristicMode.FALLBACK)) {
      List<EngineConfig> ranked = candidates(owner, graph, handle, mode, passedOver);
      for (EngineConfig candidate : preferred(kernel, ranked)) {
        String engine = mode + " engine " + candidate.engineIndex();
        Optional<String> unsuitable = unsuitable(kernel, candidate.numericalNotes());
        if (unsuitable.isPresent()) {
          passedOver.add(unsuitable.get(), engine);
          continue;
        }
        try {
          ExecutionPlan plan = ExecutionPlan.of(cudnn, owner, candidate, handle);
          if (isTooMuch(plan.workspaceBytes()) || plan.workspaceBytes() > mostWorkspace) {
            passedOver.add(
                String.format(
                    Locale.ROOT,
                    "wants more scratch space than %,d bytes",
                    Math.min(mostWorkspace, WORKSPACE_LIMIT)),
                engine);
            continue;
          }
          if (taker.take(candidate, plan, mode, ranked)) {
            return;
          }
        } catch (CudnnException e) {
          passedOver.add("cannot be made: " + e.reason(), engine, e);
        }
      }
    }
  }

  private List<EngineConfig> candidates(
      Closer owner,
      OperationGraph graph,
      @Nullable CudnnHandle handle,
      HeuristicMode mode,
      PassedOver passedOver) {
    try {
      return handle == null
          ? Heuristics.candidates(cudnn, owner, graph, mode, properties)
          : Heuristics.candidates(cudnn, owner, graph, mode);
    } catch (CudnnException e) {
      passedOver.add(e.reason(), "heuristic " + mode, e);
      return List.of();
    }
  }

  /**
   * A plan that is built for a handle at once, instead of being made again of its text: of the same
   * engine with the same settings, or else the first that cuDNN offers and that may be taken.
   *
   * @param chosen whose scratch space there is room for
   * @param owner gets whatever the plan needs
   * @return nothing if cuDNN offers nothing
   */
  Optional<ExecutionPlan> straight(
      CudnnKernel kernel, Plan chosen, CudnnHandle handle, Closer owner) {
    OperationGraph graph = CudnnGraphs.build(cudnn, owner, kernel, handle);
    try {
      EngineConfig config =
          EngineConfig.of(cudnn, owner, graph, chosen.engine(), chosen.knobs(), null);
      if (unsuitable(kernel, config.numericalNotes()).isEmpty()) {
        ExecutionPlan plan = ExecutionPlan.of(cudnn, owner, config, handle);
        if (plan.workspaceBytes() <= chosen.workspaceBytes()) {
          return Optional.of(plan);
        }
      }
    } catch (CudnnException e) {
      LOG.log(Level.DEBUG, "{0}: the same engine is refused: {1}", kernel, e.getMessage());
    }
    var passedOver = new PassedOver();
    List<ExecutionPlan> found = new ArrayList<>();
    search(
        kernel,
        graph,
        handle,
        chosen.workspaceBytes(),
        owner,
        passedOver,
        (_, plan, _, _) -> found.add(plan));
    LOG.log(
        Level.DEBUG,
        "built for the handle, passed over: {0}",
        new Refused(kernel, passedOver.reasons, false));
    return found.stream().findFirst();
  }

  /**
   * Takes what was the fastest from now on, also at the next start on such a device.
   *
   * @param asked what lowering asks for first
   * @param taken what the plan is of: the same, or the same sum in the other order
   */
  void choose(CudnnKernel asked, CudnnKernel taken, Plan plan) {
    boolean kept = passedOver(asked).allowsChoices() && passedOver(taken).allowsChoices();
    // A plan first: whoever comes between the two finds one in any case.
    choose(taken, new Found(plan), kept);
    if (!asked.equals(taken)) {
      choose(asked, slowerThanTheOther(asked), kept);
    }
  }

  private void choose(CudnnKernel kernel, Outcome outcome, boolean kept) {
    outcomes.put(kernel, outcome);
    timed.add(kernel);
    if (cache != null && kept) {
      cache.store(entry(key(kernel), true, outcome));
    }
    LOG.log(Level.DEBUG, "{0}: {1}", kernel, outcome);
  }

  private static boolean isTooMuch(long workspaceBytes) {
    return workspaceBytes > WORKSPACE_LIMIT;
  }

  private static Optional<String> unsuitable(CudnnKernel kernel, Set<NumericalNote> notes) {
    for (NumericalNote note : NEVER) {
      if (notes.contains(note)) {
        return Optional.of(note.toString());
      }
    }
    return !kernel.arithmetic().tensorCores() && notes.contains(NumericalNote.TENSOR_CORE)
        ? Optional.of("TENSOR_CORE, which is not " + kernel.arithmetic())
        : Optional.empty();
  }

  /**
   * cuDNN's ranking, but for dense convolutions what uses tensor cores goes first: at the head of
   * the ranking for 64 to 128 channels at stride 2 on an H100 is one that does not (cuDNN 9.20).
   */
  private static List<EngineConfig> preferred(CudnnKernel kernel, List<EngineConfig> ranked) {
    boolean dense = kernel instanceof CudnnKernel.Convolution c && c.groups() == 1;
    if (!dense || !kernel.arithmetic().tensorCores()) {
      return ranked;
    }
    List<EngineConfig> preferred = new ArrayList<>(ranked);
    preferred.sort(
        Comparator.comparing(
            candidate -> !candidate.numericalNotes().contains(NumericalNote.TENSOR_CORE)));
    return preferred;
  }

  private static String description(
      EngineConfig chosen,
      HeuristicMode mode,
      List<EngineConfig> ranked,
      Map<String, List<String>> passedOver) {
    return "%s, %d of %d%s%s"
        .formatted(
            named(chosen.engineIndex(), chosen.numericalNotes(), chosen.behaviorNotes()),
            ranked.indexOf(chosen) + 1,
            ranked.size(),
            mode == HeuristicMode.FALLBACK ? " fallbacks" : "",
            passedOver.isEmpty() ? "" : ", passed over: " + counted(passedOver));
  }

  private static String named(
      long engine, Set<NumericalNote> numericalNotes, Set<BehaviorNote> behaviorNotes) {
    List<String> notes =
        Stream.of(numericalNotes, behaviorNotes)
            .flatMap(Set::stream)
            .map(Object::toString)
            .sorted()
            .toList();
    return "cuDNN engine %d%s".formatted(engine, notes.isEmpty() ? "" : " " + notes);
  }

  /** Reasons with how often each was given. */
  private static String counted(Map<String, List<String>> reasons) {
    return reasons.entrySet().stream()
        .map(entry -> entry.getValue().size() + " x " + entry.getKey())
        .collect(Collectors.joining("; "));
  }

  private static String words(Map<String, List<String>> reasons) {
    return reasons.entrySet().stream()
        .map(entry -> "%s (%s)".formatted(entry.getKey(), String.join(", ", entry.getValue())))
        .collect(Collectors.joining("; "));
  }
}
