package dev.shortcut.testing.device;

import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.testing.TestGroup;
import dev.shortcut.testing.TestSeed;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * The software CUDA device: stand-ins for NVIDIA's libraries that judge what a program asks of
 * them, run its work as late as the rules allow and compute what it should compute. They are built
 * from C++ sources with the system's compiler, once for each content.
 *
 * <pre>{@code
 * @BeforeEach
 * void freshDevice() {
 *   SoftwareDevice.install(); // skips the test, with the reason, where there is no compiler
 *   SoftwareDevice.reset();
 * }
 *
 * @AfterEach
 * void nothingIsLeft() {
 *   assertEquals(List.of(), SoftwareDevice.complaints());
 *   assertEquals(Map.of(), SoftwareDevice.live());
 * }
 * }</pre>
 *
 * <p>There is one device set in a process, shared by all threads. All methods but {@link #install}
 * need it to be installed.
 */
public final class SoftwareDevice {
  private static SoftwareDevice installed;

  private final DeviceBuild.Built built;
  private final MethodHandle reset;
  private final MethodHandle failCall;
  private final MethodHandle failFunction;
  private final MethodHandle failWork;
  private final MethodHandle calls;
  private final MethodHandle pending;
  private final MethodHandle bytesInUse;
  private final MethodHandle finish;
  private final MethodHandle report;

  private SoftwareDevice(DeviceBuild.Built built) {
    this.built = built;
    Path file = built.libraries().get("cuda");
    NativeLibrary library =
        NativeLibrary.find("the software CUDA device", "swd_reset")
            .file("built from the test tree", file)
            .load();
    reset = library.procedure("swd_reset", CTypes.POINTER);
    failCall = library.procedure("swd_fail_call", CTypes.LONG, CTypes.INT);
    failFunction = library.procedure("swd_fail_function", CTypes.POINTER, CTypes.LONG, CTypes.INT);
    failWork = library.procedure("swd_fail_work", CTypes.LONG, CTypes.INT);
    calls = library.function("swd_calls", CTypes.LONG);
    pending = library.function("swd_pending", CTypes.LONG);
    bytesInUse = library.function("swd_bytes_in_use", CTypes.LONG, CTypes.INT);
    finish = library.function("swd_finish", CTypes.INT);
    report =
        library.function(
            "swd_report", CTypes.SIZE_T, CTypes.POINTER, CTypes.POINTER, CTypes.SIZE_T);
  }

  /**
   * What the device poses as. Immutable; each method gives another one.
   *
   * @param values by key; {@link #with} sets those that have no method, which the stand-ins of
   *     cuDNN and cuBLAS read
   */
  public record Settings(Map<String, String> values) {
    /** Another value of one setting. */
    public Settings with(String key, Object value) {
      if (key.contains("=") || (key + value).contains("\n")) {
        throw new IllegalArgumentException("bad setting " + key + "=" + value);
      }
      var copy = new LinkedHashMap<>(values);
      copy.put(key, value.toString());
      return new Settings(Map.copyOf(copy));
    }

    /** Fixes the order in which work runs; without it, {@code -Dtest.seed}. */
    public Settings seed(long seed) {
      return with("seed", seed);
    }

    /**
     * How probable it is that, at a call, work runs that nobody waits for yet: 0 is as late as
     * possible.
     */
    public Settings eagerness(double probability) {
      return with("eagerness", probability);
    }

    /** How many GPUs there are, 0 to 8. */
    public Settings devices(int number) {
      return with("devices", number);
    }

    /**
     * What the GPUs are, by compute capability: 75 (T4), 80 (A100), 86 (A10), 89 (L4), 90 (H100),
     * 100 (B200), 120 (RTX 5090), one for all or one for each.
     */
    public Settings computeCapability(int... capabilities) {
      var text = new StringBuilder();
      for (int i = 0; i < 8; i++) {
        text.append(i == 0 ? "" : ",").append(capabilities[Math.min(i, capabilities.length - 1)]);
      }
      return with("capability", text);
    }

    /** What the driver says of itself, such as 12090. */
    public Settings driverVersion(int version) {
      return with("driver.version", version);
    }

    /** Multiprocessors of each GPU: fewer than the product has are a slice of it. */
    public Settings multiprocessors(int number) {
      return with("multiprocessors", number);
    }

    /** Bytes of memory of each GPU. */
    public Settings memory(long bytes) {
      return with("memory", bytes);
    }

    /** Lets cuDNN refuse to make a plan of its text for a handle, as if for another device. */
    public Settings refuseToRestorePlans() {
      return with("restore.refused", 1);
    }

    /** Lets cuDNN's graph API have no plan for convolutions with filters of these sizes. */
    public Settings refuseToPlanConvolutions(int... sizes) {
      return with(
          "cudnn.refused",
          Arrays.stream(sizes).mapToObj(Integer::toString).collect(Collectors.joining(",")));
    }

    /** How much scratch space cuDNN's convolution from before the graph API wants. */
    public Settings legacyWorkspace(long bytes) {
      return with("legacy.workspace", bytes);
    }

    /** Lets cuDNN refuse all plans of an engine that it offers, with that status. */
    public Settings refuseEngine(long engine, int status) {
      return with("refused.engine." + engine, status);
    }

    /**
     * Lets events tell a time that depends on nothing but what ran between them: a plan of cuDNN or
     * a product of cuBLASLt takes as long as is set for its engine or algorithm, else 100
     * microseconds; everything else nothing.
     */
    public Settings modelClock() {
      return with("clock", "model");
    }

    /** What a plan of an engine of cuDNN's takes by {@link #modelClock}. */
    public Settings engineMicros(long engine, double micros) {
      return with("duration.engine." + engine, micros);
    }

    /** What a product by an algorithm of cuBLASLt's takes by {@link #modelClock}. */
    public Settings algorithmMicros(int algorithm, double micros) {
      return with("duration.algorithm." + algorithm, micros);
    }

    /** What cuBLASLt says of the stages and the cluster's shape of each of its algorithms. */
    public Settings algorithmSettings(int stages, int cluster) {
      return with("algorithm.stages", stages).with("algorithm.cluster", cluster);
    }

    /** The same on one of the devices only, the first being 0. */
    public Settings engineMicrosOn(int device, long engine, double micros) {
      return with("device.%d.duration.engine.%d".formatted(device, engine), micros);
    }

    /** The same on one of the devices only, the first being 0. */
    public Settings algorithmMicrosOn(int device, int algorithm, double micros) {
      return with("device.%d.duration.algorithm.%d".formatted(device, algorithm), micros);
    }

    /** Whether kernels, copies and fills do anything; off to measure what the host costs. */
    public Settings work(boolean enabled) {
      return with("work", enabled ? 1 : 0);
    }
  }

  /**
   * Builds the libraries if needed and makes the bindings find them. Skips the calling test,
   * visibly and with the reason, where there is no C++ compiler. The device is as {@link #reset()}
   * leaves it after the first call; later calls do nothing.
   */
  public static synchronized void install() {
    if (installed != null) {
      return;
    }
    DeviceBuild.Built built;
    try {
      built = DeviceBuild.build();
    } catch (IOException e) {
      TestGroup.NATIVE.missing(
          "the software CUDA device cannot be built with %s (Debian, Ubuntu: apt install g++): %s"
              .formatted(DeviceBuild.compiler(), e.getMessage()));
      return;
    }
    built.properties().forEach(System::setProperty);
    installed = new SoftwareDevice(built);
    reset();
  }

  /**
   * One H100 with driver 12.9, the seed of this run, and as the seed chooses work that runs as late
   * as possible or now and then earlier: a buffer that is overwritten too early shows only then.
   */
  public static Settings settings() {
    Random random = TestSeed.random("eagerness");
    return new Settings(Map.of())
        .seed(TestSeed.value())
        .eagerness(random.nextBoolean() ? 0 : random.nextDouble() / 2);
  }

  /** Forgets everything, whatever is left of a test before, and poses as {@link #settings()}. */
  public static void reset() {
    reset(settings());
  }

  /** Forgets everything, whatever is left of a test before, and poses as asked. */
  public static void reset(Settings settings) {
    SoftwareDevice device = device();
    Map<String, String> values = new TreeMap<>(settings.values());
    values.put("kernel.compiler", device.built.compiler());
    values.put("kernel.shim", device.built.folder().toString());
    values.put(
        "kernel.cache", device.built.folder().getParent().resolveSibling("kernels").toString());
    var text = new StringBuilder();
    values.forEach((key, value) -> text.append(key).append('=').append(value).append('\n'));
    try (Arena frame = Arena.ofConfined()) {
      device.reset.invokeExact(frame.allocateFrom(text.toString()));
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  /** The file of a library of the set, by its name in {@code device.properties}. */
  public static Path library(String name) {
    Path file = device().built.libraries().get(name);
    if (file == null) {
      throw new IllegalArgumentException("no library " + name + " in device.properties");
    }
    return file;
  }

  /**
   * Lets the n-th call from now fail, 1 being the next, with a status that is likely for its
   * library. Functions that return no status do not count.
   */
  public static void failCall(long n) {
    failCall(n, 0);
  }

  /** Lets the n-th call from now return {@code status}, whatever the library. */
  public static void failCall(long n, int status) {
    try {
      device().failCall.invokeExact(n, status);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  /**
   * Lets the n-th call from now of one function return {@code status}.
   *
   * @param function the exported name, such as {@code cuMemAlloc_v2}
   */
  public static void failFunction(String function, long n, int status) {
    try (Arena frame = Arena.ofConfined()) {
      device().failFunction.invokeExact(frame.allocateFrom(function), n, status);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  /**
   * Lets the n-th piece of work from now that runs on a device end with a sticky error, such as
   * 700: it is seen by whoever asks next.
   */
  public static void failWork(long n, int status) {
    try {
      device().failWork.invokeExact(n, status);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  /** Faults that were injected so far: library, function (or "work", name) and status. */
  public static List<String> fired() {
    return report("fired");
  }

  /** How many calls, of all libraries, there were since the reset. */
  public static long calls() {
    try {
      return (long) device().calls.invokeExact();
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  /**
   * The latest calls since the reset (at most 65,536), oldest first: library, function, and for
   * some of them a detail such as the kernel's name, with blanks between; {@code cudnn heuristics}
   * each time that cuDNN ranks engines, {@code cudnn planning} each time that it makes a plan of
   * one.
   */
  public static List<String> log() {
    return report("log");
  }

  /** The latest pieces of work that ran (at most 65,536), oldest first, by name. */
  public static List<String> work() {
    return report("work");
  }

  /** What lives, by kind; kinds of which there is nothing are left out. */
  public static Map<String, Long> live() {
    var live = new TreeMap<String, Long>();
    for (String line : report("live")) {
      int equals = line.lastIndexOf('=');
      live.put(line.substring(0, equals), Long.parseLong(line.substring(equals + 1)));
    }
    return live;
  }

  /** What a GPU would not forgive, or not always; checks the red zones of all memory, too. */
  public static List<String> complaints() {
    return report("complaints");
  }

  /** Bytes in use on a device. */
  public static long bytesInUse(int device) {
    try {
      return (long) device().bytesInUse.invokeExact(device);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  /** Pieces of work that wait for their turn. */
  public static long pending() {
    try {
      return (long) device().pending.invokeExact();
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  /** Runs everything that waits; returns the sticky error, or 0. */
  public static int finish() {
    try {
      return (int) device().finish.invokeExact();
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  private static List<String> report(String what) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment name = frame.allocateFrom(what);
      long size = 1 << 16;
      while (true) {
        MemorySegment text = frame.allocate(size);
        long needed = (long) device().report.invokeExact(name, text, size);
        if (needed <= size) {
          byte[] bytes = text.asSlice(0, needed).toArray(ValueLayout.JAVA_BYTE);
          return new String(bytes, StandardCharsets.UTF_8).lines().toList();
        }
        size = needed;
      }
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  private static synchronized SoftwareDevice device() {
    if (installed == null) {
      throw new IllegalStateException("SoftwareDevice.install() comes first");
    }
    return installed;
  }
}
