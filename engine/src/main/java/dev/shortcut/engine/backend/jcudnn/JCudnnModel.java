package dev.shortcut.engine.backend.jcudnn;

import dev.shortcut.bindings.cuda.ComputeCapability;
import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.nvidia.NvidiaLibraries;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.MemoryReport;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.backend.CompiledModel;
import dev.shortcut.engine.backend.DeviceTarget;
import dev.shortcut.engine.backend.ExecutionSlot;
import dev.shortcut.engine.backend.PlatformThread;
import dev.shortcut.engine.backend.Slot;
import dev.shortcut.engine.backend.SlotShares;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.memory.MemoryCap;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntFunction;
import jcuda.driver.CUcontext;
import org.jspecify.annotations.Nullable;

/**
 * A graph for one GPU or several, with its share on each. Everything native is made and freed on
 * threads of its own.
 */
final class JCudnnModel implements CompiledModel {
  private final MemoryReport memory;
  private final List<KernelReport> kernels;
  private final List<Slot> slots;
  private final List<Share> shares;
  private final Cuda cuda;
  private final Graph graph;
  private final Options options;

  private JCudnnModel(
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

    /** Closed last, since everything else needs the context. */
    private final Closer contextOwner = new Closer();

    private final Closer owner = new Closer();
    private @Nullable CUcontext context;
    private @Nullable JCudnnDevice device;
    private List<Program> programs = List.of();

    Share(DeviceTarget target, int slots) {
      this.target = target;
      this.slots = slots;
    }

    String name() {
      return "%s (%s)".formatted(target.device().name(), target.device().uuid());
    }

    JCudnnDevice device() {
      return Objects.requireNonNull(device);
    }

    Health health() {
      return device == null ? new Health(name()) : device.health();
    }

    CUcontext open(NvidiaLibraries libraries) {
      CUcontext opened;
      if (target.foreignContext() == 0) {
        opened = Driver.retainPrimary(target.device().ordinal(), contextOwner);
      } else {
        // JCuda cannot be given a context by its address, but tells which one is current.
        Context foreign = libraries.cuda().borrow(target.foreignContext());
        foreign.push();
        try {
          opened = Driver.current();
        } finally {
          foreign.pop();
        }
      }
      context = opened;
      return opened;
    }

    long arena(int largest) {
      return programs.stream()
          .filter(program -> program.batch() <= largest)
          .mapToLong(program -> program.plan().bytes())
          .max()
          .orElseThrow();
    }

    MemoryReport memory(int largest) {
      return new MemoryReport(device().constants().bytes(), arena(largest), 0, 0, slots);
    }

    /**
     * Frees everything, on a thread that ends then, so that what is current on it need not be put
     * back; of a device that is lost nothing can be freed.
     */
    void close() {
      if (device != null && device.health().isLost()) {
        return;
      }
      CUcontext opened = context;
      if (opened != null) {
        Driver.enter(opened);
      }
      owner.close();
      contextOwner.close();
    }
  }

  static JCudnnModel compile(
      NvidiaLibraries libraries,
      List<DeviceTarget> targets,
      Graph graph,
      Weights weights,
      List<Integer> batchSizes,
      Options options) {
    return PlatformThread.call(
        "shortcut-jcuda-compile",
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
        "shortcut-jcuda-execution", () -> execution(share, images, input, others));
  }

  private JCudnnExecution execution(Share share, int images, InputFormat input, long others) {
    Program program =
        share.programs.stream().filter(p -> p.batch() >= images).findFirst().orElseThrow();
    long bytes = JCudnnExecution.bytes(program);
    String attempted = "an execution of %s with batches of %d".formatted(graph.name(), images);
    MemoryCap.checkExecution(attempted, bytes, others, memory, options);
    JCudnnDevice device = share.device();
    CUcontext context = Objects.requireNonNull(share.context);
    var request = new JCudnnExecution.Request(images, input);
    device.health().check();
    try {
      // The thread ends with it.
      Driver.push(context);
      return JCudnnExecution.prepare(device, context, cuda, options.launch(), program, request);
    } catch (JCudaException e) {
      if (e.outOfMemory()) {
        throw MemoryCap.exhaustedByExecution(attempted, bytes, device.name(), e);
      }
      throw device.health().failed(attempted, e, null);
    }
  }

  @Override
  public void close() {
    PlatformThread.call(
        "shortcut-jcuda-close",
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
    private final Map<ComputeCapability, byte[]> kernels = new HashMap<>();

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

    JCudnnModel compile() {
      try {
        for (Share share : shares) {
          on(share, () -> lower(share));
        }
        MemoryReport memory = MemoryCap.check(words(), batchSizes, options, this::memory);
        List<List<Slot>> slots = new ArrayList<>();
        for (Share share : shares) {
          on(share, () -> slots.add(build(share)));
        }
        List<KernelReport> reports =
            shares.getFirst().programs.stream()
                .flatMap(program -> program.kernels().stream())
                .toList();
        return new JCudnnModel(
            memory,
            reports,
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

    private void lower(Share share) {
      attempted = "compiling our own kernels";
      ComputeCapability capability = share.target.device().computeCapability();
      byte[] image = kernels.get(capability);
      if (image == null) {
        image = Kernels.compile(arithmetic, libraries.nvrtc().architecture(capability));
        kernels.put(capability, image);
      }
      attempted = "opening cuDNN";
      var device = new JCudnnDevice(share.name(), arithmetic, image, share.owner);
      share.device = device;
      attempted = "preparing the layers";
      List<Program> programs = new ArrayList<>();
      for (int batch : batchSizes) {
        programs.add(new Lowering(graph, batch, options.input(), arithmetic, device).lower());
      }
      share.programs = List.copyOf(programs);
    }

    private List<Slot> build(Share share) {
      attempted = "asking for free memory";
      long free = Driver.freeMemory();
      IntFunction<MemoryReport> need = share::memory;
      MemoryCap.checkFree(graph.name(), batchSizes, share.name(), free, need);
      try {
        attempted = "copying the weights to the device";
        share.device().upload(weights);
        List<Slot> slots = new ArrayList<>();
        for (int slot = 0; slot < share.slots; slot++) {
          attempted = "preparing slot %d".formatted(slot);
          slots.add(
              JCudnnSlot.prepare(
                  share.device(),
                  Objects.requireNonNull(share.context),
                  share.programs,
                  sizes(share),
                  options,
                  share.owner));
        }
        return slots;
      } catch (JCudaException e) {
        if (e.outOfMemory()) {
          throw MemoryCap.exhausted(graph.name(), batchSizes, share.name(), free, need, e);
        }
        throw e;
      }
    }

    private JCudnnSlot.Sizes sizes(Share share) {
      int largest = batchSizes.getLast();
      return new JCudnnSlot.Sizes(largest, imageBytes(), resultBytes(), share.arena(largest));
    }

    private long imageBytes() {
      return graph.input().shape().elements() * options.input().bytesPerValue();
    }

    private long resultBytes() {
      return graph.output().shape().elements() * Float.BYTES;
    }

    /** The memory of all devices and the host together. */
    private MemoryReport memory(int largest) {
      return new MemoryReport(
          shares.stream().mapToLong(share -> share.device().constants().bytes()).sum(),
          shares.stream().mapToLong(share -> share.arena(largest)).max().orElseThrow(),
          0,
          largest * (imageBytes() + resultBytes()),
          shares.stream().mapToInt(share -> share.slots).sum());
    }

    private String words() {
      return graph.name()
          + " on "
          + (shares.size() == 1 ? shares.getFirst().name() : shares.size() + " devices");
    }

    /** Does something with a device's context current. */
    private void on(Share share, Runnable work) {
      try {
        CUcontext context = share.context == null ? share.open(libraries) : share.context;
        Driver.push(context);
        try {
          work.run();
        } finally {
          Driver.pop();
        }
      } catch (JCudaException e) {
        throw share.health().failed("%s for %s".formatted(attempted, graph.name()), e, null);
      }
    }
  }
}
