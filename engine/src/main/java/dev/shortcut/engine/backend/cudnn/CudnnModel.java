package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cublas.CublasException;
import dev.shortcut.bindings.cuda.ComputeCapability;
import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.bindings.cuda.CudaStatus;
import dev.shortcut.bindings.cudnn.CudnnException;
import dev.shortcut.bindings.cudnn.DeviceProperties;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.nvidia.NvidiaLibraries;
import dev.shortcut.bindings.nvrtc.CompiledProgram;
import dev.shortcut.bindings.nvrtc.NvrtcException;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.MemoryReport;
import dev.shortcut.engine.ModelException;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.backend.CompiledModel;
import dev.shortcut.engine.backend.DeviceTarget;
import dev.shortcut.engine.backend.ExecutionSlot;
import dev.shortcut.engine.backend.PlatformThread;
import dev.shortcut.engine.backend.Slot;
import dev.shortcut.engine.backend.SlotShares;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.memory.MemoryCap;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * A graph for one GPU or several: on each of them one copy of the weights and of our own kernels,
 * and slots. Everything native is made and freed on threads of its own.
 */
final class CudnnModel implements CompiledModel {
  private static final Logger LOG = System.getLogger(CudnnModel.class.getName());

  private final MemoryReport memory;
  private final List<KernelReport> kernels;
  private final List<Slot> slots;
  private final List<Share> shares;
  private final Cuda cuda;
  private final Graph graph;
  private final Options options;

  private CudnnModel(
      MemoryReport memory,
      List<KernelReport> kernels,
      List<Slot> slots,
      List<Share> shares,
      Cuda cuda,
      Graph graph,
      Options options) {
    this.memory = memory;
    this.cuda = cuda;
    this.graph = graph;
    this.options = options;
    this.kernels = List.copyOf(kernels);
    this.slots = List.copyOf(slots);
    this.shares = List.copyOf(shares);
  }

  /** What is on one device. */
  private static final class Share {
    private final DeviceTarget target;
    private final int slots;
    private final Closer owner = new Closer();
    private boolean entered;
    private @Nullable Context context;
    private @Nullable CudnnDevice device;
    private List<Program> programs = List.of();

    Share(DeviceTarget target, int slots) {
      this.target = target;
      this.slots = slots;
    }

    CudnnDevice device() {
      return Objects.requireNonNull(device);
    }

    /** The device's name for messages. */
    String name() {
      return "%s (%s)".formatted(target.device().name(), target.device().uuid());
    }

    /** Opens the context, which everything else is closed before. */
    Context open(Cuda cuda) {
      Context opened = owner.own(target.open(cuda));
      context = opened;
      owner.own(this::leave);
      return opened;
    }

    /** Frees everything; of a device that is lost nothing can be freed. */
    void close() {
      if (device != null && device.health().isLost()) {
        return;
      }
      if (context != null) {
        try {
          context.push();
          entered = true;
        } catch (CudaException e) {
          // Whatever needs the context makes it current itself.
          LOG.log(Level.WARNING, "closing a model on " + name(), e);
        }
      }
      owner.close();
    }

    private void leave() {
      if (entered) {
        entered = false;
        try {
          Objects.requireNonNull(context).pop();
        } catch (CudaException e) {
          // The thread ends in a moment, and its stack of contexts with it.
          LOG.log(Level.WARNING, "closing a model on " + name(), e);
        }
      }
    }
  }

  static CudnnModel compile(
      NvidiaLibraries libraries,
      List<DeviceTarget> targets,
      Graph graph,
      Weights weights,
      List<Integer> batchSizes,
      Options options) {
    return PlatformThread.call(
        "shortcut-cuda-compile",
        () -> new Compilation(libraries, targets, graph, weights, batchSizes, options).compile());
  }

  @Override
  public MemoryReport memory() {
    return memory;
  }

  @Override
  public List<KernelReport> kernels() {
    return kernels;
  }

  @Override
  public List<Slot> slots() {
    return slots;
  }

  @Override
  public ExecutionSlot execution(int images, InputFormat input, long others) {
    Share share = SlotShares.only(shares);
    return PlatformThread.call(
        "shortcut-cuda-execution", () -> execution(share, images, input, others));
  }

  private CudnnExecution execution(Share share, int images, InputFormat input, long others) {
    Program program =
        share.programs.stream().filter(p -> p.batch() >= images).findFirst().orElseThrow();
    long bytes = CudnnExecution.bytes(program);
    String attempted = "an execution of %s with batches of %d".formatted(graph.name(), images);
    MemoryCap.checkExecution(attempted, bytes, others, memory, options);
    CudnnDevice device = share.device();
    var request = new CudnnExecution.Request(images, graph.input().shape(), input);
    device.health().check();
    try {
      // The thread ends with it.
      device.context().push();
      return CudnnExecution.prepare(device, cuda, options.launch(), program, request);
    } catch (CudaException e) {
      if (e.status() == CudaStatus.OUT_OF_MEMORY) {
        throw MemoryCap.exhaustedByExecution(attempted, bytes, device.name(), e);
      }
      throw device.health().failed(attempted, e);
    } catch (CudnnException | CublasException e) {
      throw device.health().failed(attempted, e);
    }
  }

  @Override
  public void close() {
    PlatformThread.call(
        "shortcut-cuda-close",
        () -> {
          close(shares);
          return null;
        });
  }

  private static void close(List<Share> shares) {
    try (var all = new Closer()) {
      shares.forEach(share -> all.own(share::close));
    }
  }

  /** One compilation, and how far it has come. */
  private static final class Compilation {
    private final NvidiaLibraries libraries;
    private final Graph graph;
    private final Weights weights;
    private final List<Integer> batchSizes;
    private final Options options;
    private final Arithmetic arithmetic;
    private final List<Share> shares = new ArrayList<>();
    private final Map<ComputeCapability, CompiledProgram> modules = new HashMap<>();
    private final Map<Map<String, Long>, DeviceKind> kinds = new HashMap<>();

    /** What is being attempted, for messages. */
    private String attempted = "opening the device";

    Compilation(
        NvidiaLibraries libraries,
        List<DeviceTarget> targets,
        Graph graph,
        Weights weights,
        List<Integer> batchSizes,
        Options options) {
      this.libraries = libraries;
      this.graph = graph;
      this.weights = weights;
      this.batchSizes = batchSizes;
      this.options = options;
      this.arithmetic = Arithmetic.of(options.precision());
      List<Integer> slots = SlotShares.counts(options.slots(), targets.size());
      for (int i = 0; i < targets.size(); i++) {
        shares.add(new Share(targets.get(i), slots.get(i)));
      }
    }

    CudnnModel compile() {
      try {
        PlanCache plans = PlanCache.openIfUsable(options.planCache());
        for (Share share : shares) {
          on(share, () -> plan(share, plans));
        }
        if (plans != null) {
          plans.finish(words());
        }
        MemoryReport memory = MemoryCap.check(words(), batchSizes, options, this::memory);
        List<List<CudnnSlot>> slots = new ArrayList<>();
        for (Share share : shares) {
          on(share, () -> slots.add(build(share)));
        }
        List<KernelReport> kernels =
            shares.getFirst().programs.stream()
                .flatMap(program -> program.kernels().stream())
                .toList();
        return new CudnnModel(
            memory,
            kernels,
            SlotShares.alternating(slots),
            shares,
            libraries.cuda(),
            graph,
            options);
      } catch (Throwable t) {
        try {
          close(shares);
        } catch (RuntimeException e) {
          t.addSuppressed(e);
        }
        throw t;
      }
    }

    private void plan(Share share, @Nullable PlanCache plans) {
      attempted = "compiling our own kernels";
      ComputeCapability capability = share.target.device().computeCapability();
      CompiledProgram module = modules.get(capability);
      if (module == null) {
        module = KernelModule.compile(libraries.nvrtc(), capability, arithmetic);
        modules.put(capability, module);
      }
      attempted = "opening cuDNN and cuBLASLt";
      var device =
          new CudnnDevice(
              share.name(),
              Objects.requireNonNull(share.context),
              libraries,
              module,
              properties -> kind(properties, plans),
              share.owner);
      share.device = device;
      attempted = "choosing implementations";
      share.programs = lowered(device);
      if (options.tuned()) {
        attempted = "timing implementations";
        new Tuner(device).tune(share.programs);
        // Scratch space, and with it everything's place, is another one now.
        share.programs = lowered(device);
      }
    }

    private DeviceKind kind(DeviceProperties properties, @Nullable PlanCache plans) {
      return kinds.computeIfAbsent(
          properties.compared(), _ -> new DeviceKind(libraries, properties, plans));
    }

    private List<Program> lowered(CudnnDevice device) {
      // That a network cannot run, or only by slower calls, is not said on the strength of what was
      // kept.
      try {
        List<Program> programs = lower(device);
        if (programs.stream().noneMatch(Program::takesLegacyCalls)
            || !device.planner().doubtKeptRefusals()) {
          return programs;
        }
      } catch (ModelException e) {
        if (!device.planner().doubtKeptRefusals()) {
          throw e;
        }
      }
      return lower(device);
    }

    private List<Program> lower(CudnnDevice device) {
      List<Program> programs = new ArrayList<>();
      // The largest batch first, so that it is the one to decide where batches could share.
      for (int batch : batchSizes.reversed()) {
        programs.addFirst(new Lowering(graph, batch, options, arithmetic, device).lower());
      }
      return List.copyOf(programs);
    }

    private List<CudnnSlot> build(Share share) {
      CudnnDevice device = share.device();
      attempted = "asking for free memory";
      IntFunction<MemoryReport> need = largest -> memoryOnDevice(share, largest);
      long free = Objects.requireNonNull(share.context).memory().free();
      MemoryCap.checkFree(graph.name(), batchSizes, share.name(), free, need);
      try {
        attempted = "copying the weights to the device";
        device.upload(weights, share.owner);
        List<CudnnSlot> slots = new ArrayList<>();
        for (int slot = 0; slot < share.slots; slot++) {
          attempted = "preparing slot %d".formatted(slot);
          slots.add(CudnnSlot.prepare(device, share.programs, sizes(share), options, share.owner));
        }
        return slots;
      } catch (CudaException e) {
        if (e.status() == CudaStatus.OUT_OF_MEMORY) {
          throw MemoryCap.exhausted(graph.name(), batchSizes, share.name(), free, need, e);
        }
        throw e;
      }
    }

    private CudnnSlot.Sizes sizes(Share share) {
      int largest = batchSizes.getLast();
      Shape image = graph.input().shape();
      return new CudnnSlot.Sizes(
          largest,
          image.elements() * options.input().bytesPerValue(),
          (long) image.height() * image.width(),
          graph.output().shape().elements() * Float.BYTES,
          Program.arenaBytes(share.programs, largest));
    }

    /** The memory of all devices and the host together. */
    private MemoryReport memory(int largest) {
      return new MemoryReport(
          shares.stream().mapToLong(share -> share.device().constants().bytes()).sum(),
          shares.stream()
              .mapToLong(share -> Program.arenaBytes(share.programs, largest))
              .max()
              .orElseThrow(),
          0,
          Program.stagingBytes(graph, options, largest),
          shares.stream().mapToInt(share -> share.slots).sum());
    }

    private static MemoryReport memoryOnDevice(Share share, int largest) {
      return new MemoryReport(
          share.device().constants().bytes(),
          Program.arenaBytes(share.programs, largest),
          0,
          0,
          share.slots);
    }

    private String words() {
      return graph.name()
          + " on "
          + (shares.size() == 1 ? shares.getFirst().name() : shares.size() + " devices");
    }

    /** Does something with a share's context current. */
    private void on(Share share, Runnable work) {
      try {
        Context context = share.context;
        if (context == null) {
          context = share.open(libraries.cuda());
        }
        context.push();
        try {
          work.run();
        } finally {
          context.pop();
        }
      } catch (CudaException | CudnnException | CublasException | NvrtcException e) {
        Health health = share.device == null ? new Health(share.name()) : share.device.health();
        throw health.failed("%s for %s".formatted(attempted, graph.name()), e);
      }
    }
  }
}
