package dev.shortcut.engine;

import dev.shortcut.bindings.cudnn.KnownDevices;
import dev.shortcut.engine.backend.Backends;
import dev.shortcut.engine.cost.GpuPeaks;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A GPU in numbers, which need not be present: enough to choose implementations for it and to
 * predict how fast it can be. Immutable; every number is checked, so that a description from
 * anywhere is harmless.
 *
 * <pre>{@code
 * GpuDescription gpu = GpuDescription.known("h100").withDriver("12.4");
 * PlanReport report = Planning.of(graph, gpu, options).run();
 * }</pre>
 *
 * <p>As text it is one JSON object with the keys of cuDNN's own device properties, of which flags
 * are 0 or 1. {@code memoryBusWidth} in bits, which cuDNN knows from 9.27 on, may be missing;
 * nothing can be predicted then, and from that version on plans that are made for it are such of no
 * device, where they are made again.
 */
public final class GpuDescription {
  /** A description has about 700 characters. */
  private static final int LONGEST_TEXT = 1 << 16;

  private static final Pattern DRIVER = Pattern.compile("([1-9][0-9])(?:\\.([0-9]{1,2}))?");

  private final Map<Key, Object> values;

  /** What is known of a device, in the order in which it is written. */
  private enum Key {
    NAME("deviceName", 0, 0, 0),
    ORDINAL("cudaDeviceId", 1, 0, 1023),
    COMPUTE_CAPABILITY("deviceVer", 1, 500, 9990),
    MULTIPROCESSORS("multiProcessorCount", 1, 1, 1 << 16),
    WARP_SIZE("warpSize", 1, 1, 1024),
    SHARED_PER_BLOCK("maxSharedMemoryPerBlock", 1, 1, Integer.MAX_VALUE),
    SHARED_PER_BLOCK_OPTIN("maxSharedMemoryPerBlockOptin", 1, 0, Integer.MAX_VALUE),
    OVERSIZED_SHARED("oversizedSharedMemoryPerBlock", 1, 0, Integer.MAX_VALUE),
    RESERVED_SHARED("reservedSharedMemoryPerBlock", 1, 0, Integer.MAX_VALUE),
    REGISTERS("maxRegistersPerSM", 1, 1, Integer.MAX_VALUE),
    BLOCKS("maxCtasPerSM", 1, 1, 1 << 16),
    THREADS_PER_BLOCK("maxThreadsPerBlock", 1, 1, 1 << 16),
    THREADS("maxThreadsPerSM", 1, 1, 1 << 16),
    REGISTERS_PER_BLOCK("regsPerBlock", 1, 1, Integer.MAX_VALUE),
    MEMORY("totalGlobalMem", 1, 1, 1L << 50),
    CLOCK("smClockRateKHz", 1, 0, Integer.MAX_VALUE),
    MEMORY_CLOCK("memClockRateKHz", 1, 0, Integer.MAX_VALUE),
    /** 0 where it is not known. */
    MEMORY_BUS_WIDTH("memoryBusWidth", 1, 0, 1 << 16),
    L2_CACHE("l2CacheSize", 1, 0, Integer.MAX_VALUE),
    BLOCK_SIZE("maxBlockSize", 3, 1, Integer.MAX_VALUE),
    GRID_SIZE("maxGridSize", 3, 1, Integer.MAX_VALUE),
    COOPERATIVE_LAUNCH("supportCoopLaunch", 1, 0, 1),
    PCI_DEVICE("pciDeviceId", 1, 0, Integer.MAX_VALUE),
    TCC_DRIVER("isTccDriver", 1, 0, 1),
    DRIVER("driverVer", 1, 10000, 99990);

    final String text;

    /** How many numbers make up its value; 0 for a text. */
    final int count;

    final long least;
    final long most;

    Key(String text, int count, long least, long most) {
      this.text = text;
      this.count = count;
      this.least = least;
      this.most = most;
    }

    static @Nullable Key of(String text) {
      return Arrays.stream(values()).filter(key -> key.text.equals(text)).findFirst().orElse(null);
    }

    void check(Object value) {
      boolean right =
          switch (value) {
            case String _ -> count == 0;
            case Long number -> count == 1 && isWithin(number);
            case List<?> numbers ->
                count > 1
                    && numbers.size() == count
                    && numbers.stream().allMatch(number -> isWithin((Long) number));
            default -> false;
          };
      if (!right) {
        throw new IllegalArgumentException(
            "\"%s\" must be %s, not %s"
                .formatted(
                    text,
                    count == 0
                        ? "a text"
                        : "%s from %,d to %,d"
                            .formatted(
                                count == 1 ? "a number" : "a list of %d numbers".formatted(count),
                                least,
                                most),
                    value));
      }
    }

    private boolean isWithin(long number) {
      return number >= least && number <= most;
    }
  }

  private GpuDescription(Map<Key, Object> values) {
    this.values = values;
  }

  /** The names of products that are known by themselves, oldest architecture first. */
  public static List<String> knownNames() {
    return KnownDevices.names();
  }

  /**
   * A product that is known by itself, with a driver of CUDA 12.9.
   *
   * @param name one of {@link #knownNames}
   * @throws IllegalArgumentException if it is none of them; it names them
   */
  public static GpuDescription known(String name) {
    return of(KnownDevices.json(name));
  }

  /**
   * A GPU of this machine, as its library describes it.
   *
   * @param device the first of those that are meant is described
   * @throws DeviceUnavailableException if it, its driver or a library is missing; it says what was
   *     tried
   */
  public static GpuDescription of(DeviceChoice device) {
    return Backends.describe(device);
  }

  /**
   * What cuDNN says of a device. Keys of later versions that are not known here are left out.
   *
   * @param name the product
   * @param json cuDNN's own text
   * @param memoryBusBits the width of the bus to its memory, for a text that does not say it; 0
   *     where it is not known
   * @throws IllegalArgumentException if something is wrong with it; it says what
   */
  public static GpuDescription ofCudnn(String name, String json, int memoryBusBits) {
    Map<Key, Object> values = new EnumMap<>(Key.class);
    DescriptionReader.read(json)
        .forEach((text, value) -> {
          Key key = Key.of(text);
          if (key != null && key != Key.NAME) {
            values.put(key, value);
          }
        });
    values.put(Key.NAME, DescriptionReader.printable(name));
    // What cuDNN says, it compares with what it says where the plans are restored.
    values.putIfAbsent(Key.MEMORY_BUS_WIDTH, 0L);
    values.replace(Key.MEMORY_BUS_WIDTH, 0L, (long) memoryBusBits);
    return checked(values);
  }

  /**
   * Reads a description, each of whose keys must be known and there but for {@code memoryBusWidth}.
   *
   * @throws IllegalArgumentException if something is wrong with it; it says what
   */
  public static GpuDescription of(String json) {
    if (json.length() > LONGEST_TEXT) {
      throw new IllegalArgumentException(
          "it has %,d characters, but %,d are the most".formatted(json.length(), LONGEST_TEXT));
    }
    Map<Key, Object> values = new EnumMap<>(Key.class);
    DescriptionReader.read(json)
        .forEach((name, value) -> {
          Key key = Key.of(name);
          if (key == null) {
            throw new IllegalArgumentException(
                "the key \"%s\" is not known; the nearest known one is \"%s\""
                    .formatted(
                        name, NearestNames.to(name, names(_ -> true).toList(), 1).getFirst()));
          }
          values.put(key, value);
        });
    return checked(values);
  }

  private static GpuDescription checked(Map<Key, Object> values) {
    values.putIfAbsent(Key.MEMORY_BUS_WIDTH, 0L);
    values.forEach(Key::check);
    List<String> missing = names(key -> !values.containsKey(key)).toList();
    if (!missing.isEmpty()) {
      throw new IllegalArgumentException("it lacks " + String.join(", ", missing));
    }
    return new GpuDescription(values);
  }

  /**
   * Reads a description from a file.
   *
   * @throws IOException if the file cannot be read
   * @throws IllegalArgumentException if something is wrong with it; it says what
   */
  public static GpuDescription read(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      byte[] bytes = in.readNBytes(LONGEST_TEXT + 1);
      // Whatever is not ASCII is refused, so that nothing depends on the encoding.
      return of(new String(bytes, StandardCharsets.ISO_8859_1));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "%s is no description of a GPU: %s".formatted(file, e.getMessage()), e);
    }
  }

  private static Stream<String> names(Predicate<Key> which) {
    return Arrays.stream(Key.values()).filter(which).map(key -> key.text);
  }

  /**
   * The same GPU with another driver.
   *
   * @param version the version of CUDA that it supports, such as {@code 12.4} or {@code 13}
   * @throws IllegalArgumentException if it is no such version
   */
  public GpuDescription withDriver(String version) {
    Matcher matcher = DRIVER.matcher(version);
    if (!matcher.matches()) {
      throw new IllegalArgumentException(
          "'%s' is no version of CUDA such as 12.4, which is what drivers are told by"
              .formatted(version));
    }
    long minor = matcher.group(2) == null ? 0 : Long.parseLong(matcher.group(2));
    return with(Key.DRIVER, 1000 * Long.parseLong(matcher.group(1)) + 10 * minor);
  }

  /**
   * The same GPU with another bus to its memory.
   *
   * @param bits 0 where it is not known
   */
  public GpuDescription withMemoryBusWidth(int bits) {
    return with(Key.MEMORY_BUS_WIDTH, (long) bits);
  }

  private GpuDescription with(Key key, Object value) {
    key.check(value);
    Map<Key, Object> changed = new EnumMap<>(values);
    changed.put(key, value);
    return new GpuDescription(changed);
  }

  /** The vendor's name of the product, such as {@code NVIDIA H100 80GB HBM3}. */
  public String name() {
    return (String) value(Key.NAME);
  }

  /** The compiler's name for its machine code, such as {@code sm_90}. */
  public String architecture() {
    return "sm_" + computeCapability();
  }

  /** Its generation: 90 for compute capability 9.0. */
  public int computeCapability() {
    return (int) (number(Key.COMPUTE_CAPABILITY) / 10);
  }

  /** Multiprocessors. */
  public int multiprocessors() {
    return (int) number(Key.MULTIPROCESSORS);
  }

  /** Bytes of memory. */
  public long memory() {
    return number(Key.MEMORY);
  }

  /** The version of CUDA that its driver supports, such as {@code 12.9}. */
  public String driver() {
    long version = number(Key.DRIVER);
    return "%d.%d".formatted(version / 1000, version % 1000 / 10);
  }

  /** What the most that it can do follows from. */
  public GpuPeaks peaks() {
    return new GpuPeaks(
        name(),
        computeCapability(),
        multiprocessors(),
        1e3 * number(Key.CLOCK),
        1e3 * number(Key.MEMORY_CLOCK),
        (int) number(Key.MEMORY_BUS_WIDTH));
  }

  private Object value(Key key) {
    return Optional.ofNullable(values.get(key)).orElseThrow();
  }

  private long number(Key key) {
    return (Long) value(key);
  }

  /** What {@link #of} and cuDNN read, a key on each line, written anew from the checked values. */
  public String json() {
    return values.entrySet().stream()
        .map(entry -> "  \"%s\": %s".formatted(entry.getKey().text, written(entry.getValue())))
        .collect(Collectors.joining(",\n", "{\n", "\n}\n"));
  }

  /** Texts have nothing that would need an escape, and lists look as they do in JSON. */
  private static String written(Object value) {
    return value instanceof String text ? "\"" + text + "\"" : value.toString();
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof GpuDescription description && values.equals(description.values);
  }

  @Override
  public int hashCode() {
    return values.hashCode();
  }

  /** Product, architecture, multiprocessors and driver, for people. */
  @Override
  public String toString() {
    return "%s (%s, %d multiprocessors, driver for CUDA %s)"
        .formatted(name(), architecture(), multiprocessors(), driver());
  }
}
