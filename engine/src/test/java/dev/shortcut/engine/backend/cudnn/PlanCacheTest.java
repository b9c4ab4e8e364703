package dev.shortcut.engine.backend.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cudnn.KnobChoice;
import dev.shortcut.bindings.cudnn.KnobType;
import dev.shortcut.bindings.cudnn.NumericalNote;
import dev.shortcut.engine.EnginePlan;
import dev.shortcut.testing.OtherProcess;
import dev.shortcut.testing.TestSeed;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Plans in a folder that anything may have happened to. */
class PlanCacheTest {
  private static final PlanCache.Limits LIMITS = PlanCache.Limits.DEFAULT;

  @TempDir private Path temporary;
  private Path folder;

  @BeforeEach
  void nameAFolder() {
    folder = temporary.resolve("plans");
  }

  private static PlanKey key(String kernel) {
    return key(kernel, 12090);
  }

  private static PlanKey key(String kernel, long driver) {
    return new PlanKey(
        kernel, "cudnn92000", 900, Map.of("driverVer", driver, "multiProcessorCount", 132L));
  }

  private static PlanEntry plan(PlanKey key, String json) {
    return PlanEntry.of(
        key,
        false,
        new Plan(
            json,
            47,
            List.of(new KnobChoice(new KnobType(2), 5)),
            Set.of(NumericalNote.TENSOR_CORE),
            Set.of(),
            4096,
            30,
            EnginePlan.Source.HEURISTICS,
            1,
            "for tests"));
  }

  private static PlanEntry rank(int rank) {
    return new PlanEntry(
        key("product " + rank), true, new PlanEntry.Rank(rank, 0, "cuBLASLt algorithm 21"));
  }

  private PlanCache open() throws IOException {
    return PlanCache.open(folder, LIMITS);
  }

  private static Optional<String> text(Optional<PlanEntry> entry) {
    return entry.map(PlanCacheTest::text);
  }

  private static String text(PlanEntry entry) {
    return ((PlanEntry.Engine) entry.kept()).json();
  }

  private List<String> names() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void aPlanIsFoundAgain() throws IOException {
    open().store(plan(key("a"), "{a}"));
    PlanCache later = open();
    assertEquals(plan(key("a"), "{a}"), later.find(key("a")).orElseThrow());
    assertEquals(Optional.empty(), later.find(key("b")));
    assertEquals(List.of(), later.relatives(key("a")));
    assertEquals("rw-------", permissions(folder.resolve(key("a").fileName())));
    assertEquals("rwx------", permissions(folder));
  }

  private static String permissions(Path file) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
  }

  @Test
  void aPlanForAnotherDriverIsARelativeAndBothAreKept() throws IOException {
    open().store(plan(key("a", 12090), "{12090}"));
    PlanCache second = open();
    assertEquals(Optional.empty(), second.find(key("a", 13000)));
    List<PlanEntry> relatives = second.relatives(key("a", 13000));
    assertEquals(List.of("{12090}"), relatives.stream().map(PlanCacheTest::text).toList());
    assertEquals(
        List.of("driverVer 13000, not 12090"),
        key("a", 13000).differences(relatives.getFirst().key()));
    second.store(plan(key("a", 13000), "{13000}"));
    PlanCache third = open();
    assertEquals(Optional.of("{12090}"), text(third.find(key("a", 12090))));
    assertEquals(Optional.of("{13000}"), text(third.find(key("a", 13000))));
  }

  @Test
  void nothingOfAnotherVersionOrArchitectureIsARelative() throws IOException {
    open().store(plan(key("a"), "{}"));
    PlanKey kept = key("a");
    PlanCache later = open();
    for (PlanKey other :
        List.of(
            new PlanKey("a", "cudnn92001", 900, kept.device()),
            new PlanKey("a", "cublaslt92000", 900, kept.device()),
            new PlanKey("a", "cudnn92000", 800, kept.device()),
            new PlanKey("b", "cudnn92000", 900, kept.device()))) {
      assertEquals(Optional.empty(), later.find(other));
      assertEquals(List.of(), later.relatives(other));
    }
  }

  /** A file under the right name is not believed: the key inside decides. */
  @Test
  void aPlanForAnotherKernelUnderTheRightNameIsIgnored() throws IOException {
    open().store(plan(key("a"), "{a}"));
    Path forged = folder.resolve(key("b").fileName());
    Files.move(folder.resolve(key("a").fileName()), forged);
    Path relative = folder.resolve(key("b", 13000).fileName());
    Files.copy(forged, relative);
    try (var log = new Logged(PlanCache.class)) {
      assertEquals(Optional.empty(), open().find(key("b")));
      assertEquals(List.of(), open().relatives(key("b")));
      assertEquals(2, log.lines().size(), log.lines()::toString);
      assertTrue(log.lines().getFirst().contains(forged.toString()), log.lines()::toString);
    }
    open().store(plan(key("b"), "{b}"));
    assertEquals(Optional.of("{b}"), text(open().find(key("b"))));
  }

  @Test
  void damagedFilesAreIgnoredAndWrittenAnew() throws IOException {
    Random random = TestSeed.random("damage");
    open().store(plan(key("a"), "{a}"));
    Path file = folder.resolve(key("a").fileName());
    byte[] good = Files.readAllBytes(file);
    for (int round = 0; round < 200; round++) {
      byte[] bad = good.clone();
      bad[random.nextInt(bad.length)] ^= (byte) (1 << random.nextInt(8));
      Files.write(file, random.nextBoolean() ? bad : cut(good, random.nextInt(good.length)));
      try (var log = new Logged(PlanCache.class)) {
        assertEquals(Optional.empty(), open().find(key("a")));
        assertEquals(1, log.lines().size(), log.lines()::toString);
      }
    }
    open().store(plan(key("a"), "{a}"));
    assertEquals(Optional.of("{a}"), text(open().find(key("a"))));
  }

  private static byte[] cut(byte[] bytes, int length) {
    return Arrays.copyOf(bytes, length);
  }

  @Test
  void whatIsNoPlainFileIsIgnoredAndReplacedIfPossible() throws IOException {
    open().store(plan(key("a"), "{a}"));
    Path file = folder.resolve(key("a").fileName());
    Path elsewhere = Files.move(file, temporary.resolve("elsewhere"));
    Files.createSymbolicLink(file, elsewhere);
    try (var log = new Logged(PlanCache.class)) {
      assertEquals(Optional.empty(), open().find(key("a")));
      assertEquals(1, log.lines().size(), log.lines()::toString);
      open().store(plan(key("a"), "{new}"));
    }
    assertFalse(Files.isSymbolicLink(file));
    assertEquals(Optional.of("{new}"), text(open().find(key("a"))));
    assertEquals("{a}", text(PlanEntry.read(Files.readAllBytes(elsewhere))));

    Files.delete(file);
    Files.createDirectory(file);
    Files.createFile(file.resolve("something"));
    try (var log = new Logged(PlanCache.class)) {
      PlanCache cache = open();
      assertEquals(Optional.empty(), cache.find(key("a")));
      cache.store(plan(key("a"), "{}"));
      assertTrue(cache.failure().isPresent());
      assertEquals(2, log.lines().size(), log.lines()::toString);
    }
    assertEquals(List.of(key("a").fileName()), names());
  }

  @Test
  void aHugeFileIsNotRead() throws IOException {
    open();
    Path file = folder.resolve(key("a").fileName());
    try (var huge = new RandomAccessFile(file.toFile(), "rw")) {
      huge.setLength(1L << 40);
    }
    try (var log = new Logged(PlanCache.class)) {
      assertEquals(Optional.empty(), open().find(key("a")));
      assertTrue(log.lines().getFirst().contains("1,099,511,627,776 bytes"), log.lines()::toString);
    }
  }

  @Test
  void aFileThatOthersCanWriteIsIgnored() throws IOException {
    open().store(plan(key("a"), "{a}"));
    Path file = folder.resolve(key("a").fileName());
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-rw----"));
    try (var log = new Logged(PlanCache.class)) {
      assertEquals(Optional.empty(), open().find(key("a")));
      assertEquals(1, log.lines().size(), log.lines()::toString);
    }
  }

  @Test
  void aFolderThatOthersCanWriteIsNotUsed() throws IOException {
    open().store(plan(key("a"), "{a}"));
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxrwx---"));
    IOException e = assertThrows(IOException.class, this::open);
    assertTrue(e.getMessage().contains("chmod go-w"), e.getMessage());
    try (var log = new Logged(PlanCache.class)) {
      assertNull(PlanCache.openIfUsable(folder));
      assertEquals(1, log.lines().size(), log.lines()::toString);
    }
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
    assertNotNull(PlanCache.openIfUsable(folder));
  }

  @Test
  void whatWasNotUsedForLongestGoesFirst() throws IOException {
    PlanCache filled = open();
    Instant start = Instant.now().minus(Duration.ofDays(30));
    for (int i = 0; i < 20; i++) {
      filled.store(plan(key("kernel " + i), "{" + "x".repeat(1000) + "}"));
      Files.setLastModifiedTime(
          folder.resolve(key("kernel " + i).fileName()),
          FileTime.from(start.plus(Duration.ofHours(i))));
    }
    PlanCache used = open();
    assertTrue(used.find(key("kernel 0")).isPresent());
    PlanCache small = PlanCache.open(folder, new PlanCache.Limits(1L << 20, 10));
    small.store(plan(key("another"), "{}"));
    small.finish("a test");
    List<String> left = new ArrayList<>();
    for (int i : List.of(0, 13, 14, 15, 16, 17, 18, 19)) {
      left.add(key("kernel " + i).fileName());
    }
    left.add(key("another").fileName());
    assertEquals(left.stream().sorted().toList(), names());
    PlanCache smaller = PlanCache.open(folder, new PlanCache.Limits(2500, 10));
    smaller.store(plan(key("another"), "{}"));
    smaller.finish("a test");
    assertEquals(
        Stream.of(key("kernel 0"), key("another")).map(PlanKey::fileName).sorted().toList(),
        names());
  }

  @Test
  void whatAnEndedProcessLeftIsDeletedAndWhatAnotherOneIsWritingIsNot() throws IOException {
    PlanCache cache = open();
    Path abandoned = Files.createFile(folder.resolve(key("a").fileName() + ".1.part"));
    Path current = Files.createFile(folder.resolve(key("a").fileName() + ".2.part"));
    Path foreign = Files.createFile(folder.resolve("somebody's.part"));
    FileTime old = FileTime.from(Instant.now().minus(Duration.ofDays(2)));
    Files.setLastModifiedTime(abandoned, old);
    Files.setLastModifiedTime(foreign, old);
    cache.store(plan(key("b"), "{}"));
    cache.finish("a test");
    assertFalse(Files.exists(abandoned));
    assertTrue(Files.exists(current));
    assertTrue(Files.exists(foreign));
  }

  /** What one device cannot do another one may be able to. */
  @Test
  void aRefusalIsFoundForJustItsKeyAndIsNobodysRelative() throws IOException {
    var refusal =
        new PlanEntry(
            key("a"), false, new PlanEntry.Refusal(Map.of("TENSOR_CORE", List.of("A engine 7"))));
    open().store(refusal);
    assertEquals(Optional.of(refusal), open().find(key("a")));
    assertEquals(List.of(), open().relatives(key("a", 13000)));
  }

  @Test
  void whereALibraryIsMissingNothingIsKeptAndOneLineSaysSo() throws IOException {
    open().store(plan(key("a"), "{a}"));
    try (var log = new Logged(PlanCache.class)) {
      PlanCache cache = open();
      cache.keepNothing("the CUDA driver");
      assertEquals(Optional.of("{a}"), text(cache.find(key("a"))));
      cache.finish("a net");
      assertEquals(List.of(), log.lines());
      cache.store(plan(key("b"), "{b}"));
      cache.store(plan(key("c"), "{c}"));
      cache.finish("a net");
      assertEquals(
          List.of(
              "2 plans of a net are not kept in %s, since cuDNN offers less without the CUDA driver"
                  .formatted(folder)),
          log.lines());
    }
    assertEquals(List.of(key("a").fileName()), names());
  }

  @Test
  void oneLineSaysHowMuchCouldBeUsed() throws IOException {
    try (var log = new Logged(PlanCache.class)) {
      PlanCache cache = open();
      cache.taken();
      cache.finish("a net");
      assertEquals(List.of(), log.lines());
      cache.rebuilt(key("a", 13000), key("a", 12090));
      cache.rebuilt(key("b", 13000), key("b", 12090));
      cache.chosen(key("c", 13000));
      cache.finish("a net");
      assertEquals(
          List.of(
              "plans of a net from %s: 1 as kept, 2 made again of the kept engine and settings (driverVer 13000, not 12090), 1 chosen anew"
                  .formatted(folder)),
          log.lines());
    }
  }

  @Test
  void onlyWhatIsForAnotherCudnnIsSaidToBe() throws IOException {
    var refusal = new PlanEntry.Refusal(Map.of("TENSOR_CORE", List.of("A engine 7")));
    open().store(new PlanEntry(key("a"), false, refusal));
    open().store(plan(new PlanKey("b", "cudnn91100", 900, key("b").device()), "{b}"));
    try (var log = new Logged(PlanCache.class)) {
      PlanCache cache = open();
      // For another driver, and doubted.
      cache.chosen(key("a", 13000));
      cache.chosen(key("a"));
      cache.finish("a net");
      assertEquals(List.of(), log.lines());
      cache.chosen(key("b"));
      cache.finish("a net");
      assertEquals(
          List.of(
              "plans of a net from %s: 0 as kept, 3 chosen anew, of which 1 are kept for another cuDNN or in another format"
                  .formatted(folder)),
          log.lines());
    }
  }

  /** Everyone writes everything, and nobody ever sees half of something. */
  @Test
  void eightProcessesMayShareAFolder() throws Exception {
    List<Callable<String>> programs = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      String name = "process " + i;
      programs.add(() -> OtherProcess.run(Writer.class, Map.of(), folder.toString(), name, "5"));
    }
    try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
      for (Future<String> program : threads.invokeAll(programs)) {
        assertEquals("", program.get());
      }
    }
    PlanCache cache = open();
    for (int i = 0; i < Writer.KERNELS; i++) {
      assertTrue(cache.find(key("kernel " + i)).isPresent(), "kernel " + i);
      assertEquals(Optional.of(rank(i)), cache.find(key("product " + i)));
    }
    assertEquals(2 * Writer.KERNELS, names().size(), () -> "left in " + folder);
  }

  @Test
  void aProcessThatIsKilledWhileItWritesHarmsNobody() throws Exception {
    for (int round = 0; round < 3; round++) {
      Process process = OtherProcess.start(Writer.class, Map.of(), folder.toString(), "x", "-1");
      try {
        // Its first byte says that it is writing.
        assertEquals('+', process.getInputStream().read());
        process.destroyForcibly().waitFor();
      } finally {
        process.destroyForcibly();
      }
      try (var log = new Logged(PlanCache.class)) {
        PlanCache cache = open();
        for (int i = 0; i < Writer.KERNELS; i++) {
          cache.find(key("kernel " + i));
        }
        assertEquals(List.of(), log.lines());
      }
    }
  }

  /** Writes and reads plans: FOLDER NAME ROUNDS, without end where that is negative. */
  static final class Writer {
    static final int KERNELS = 6;

    private Writer() {}

    public static void main(String[] arguments) throws IOException {
      Path folder = Path.of(arguments[0]);
      int rounds = Integer.parseInt(arguments[2]);
      if (rounds < 0) {
        System.out.print('+');
        System.out.flush();
      }
      for (int round = 0; round != rounds; round++) {
        PlanCache cache = PlanCache.open(folder, LIMITS);
        for (int i = 0; i < KERNELS; i++) {
          cache.find(key("kernel " + i));
          cache.store(plan(key("kernel " + i), (arguments[1] + " ").repeat(2000)));
          cache.store(rank(i));
        }
        cache.finish("a test");
      }
    }
  }
}
