package dev.shortcut.resnet.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.ModelException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Files that PyTorch itself wrote (src/test/python/checkpoints.py), and files that somebody bent.
 */
class WeightsFileTest {
  private static final Map<String, List<Integer>> SHAPES =
      Map.of(
          "conv1.weight", List.of(4, 3, 3, 3),
          "bn1.weight", List.of(4),
          "bn1.bias", List.of(4),
          "bn1.running_mean", List.of(4),
          "bn1.running_var", List.of(4),
          "fc.weight", List.of(10, 4),
          "fc.bias", List.of(10));

  @TempDir Path folder;

  static byte[] resource(String name) {
    try (InputStream in = WeightsFileTest.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new AssertionError("no resource " + name);
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static WeightsFile open(String name) {
    return WeightsFile.of(name, resource(name));
  }

  private Path file(String name) throws IOException {
    return Files.write(folder.resolve(name), resource(name));
  }

  /** The rule by which checkpoints.py fills its tensors. */
  private static float[] expected(String name, List<Integer> dims) {
    float[] values = new float[dims.stream().reduce(1, Math::multiplyExact)];
    for (int i = 0; i < values.length; i++) {
      values[i] = ((7 * i + name.length()) % 31 - 15) / 8f;
    }
    return values;
  }

  private static void assertHoldsTheNetwork(WeightsFile weights) {
    assertEquals(SHAPES.keySet(), weights.names());
    SHAPES.forEach((name, dims) -> {
      assertEquals(dims, weights.dims(name));
      assertArrayEquals(expected(name, dims), weights.read(name), name);
    });
  }

  @ParameterizedTest
  @CsvSource({
    "plain.pth, PYTORCH_ZIP",
    "protocol4.pth, PYTORCH_ZIP",
    "protocol5.pth, PYTORCH_ZIP",
    "module.pth, PYTORCH_ZIP",
    "nested.pt, PYTORCH_ZIP",
    "checkpoint.pth, PYTORCH_ZIP",
    "parameters.pth, PYTORCH_ZIP",
    "half.pth, PYTORCH_ZIP",
    "bfloat16.pth, PYTORCH_ZIP",
    "double.pth, PYTORCH_ZIP",
    "strided.pth, PYTORCH_ZIP",
    "shared.pth, PYTORCH_ZIP",
    "legacy.pth, PYTORCH_LEGACY",
    "strided-legacy.pth, PYTORCH_LEGACY",
    "checkpoint-legacy.th, PYTORCH_LEGACY",
  })
  void everyWayOfSavingANetworkGivesTheSameTensors(String name, WeightsFile.Format format)
      throws IOException {
    try (WeightsFile mapped = WeightsFile.open(file(name));
        WeightsFile inMemory = open(name)) {
      assertEquals(format, mapped.format());
      assertHoldsTheNetwork(mapped);
      assertHoldsTheNetwork(inMemory);
    }
  }

  @Test
  void integersBecomeFloats() {
    try (WeightsFile weights = open("long.pth")) {
      float[] timesEight = expected("fc.bias", List.of(10));
      for (int i = 0; i < timesEight.length; i++) {
        timesEight[i] *= 8;
      }
      assertArrayEquals(timesEight, weights.read("fc.bias"));
    }
  }

  @Test
  void storagesThatArePartsOfOthersAreRead() {
    try (WeightsFile weights = open("view-legacy.pth")) {
      assertArrayEquals(new float[] {3, 4}, weights.read("w"));
    }
  }

  @Test
  void whatPython2WroteIsRead() {
    try (WeightsFile weights = open("python2-legacy.pth")) {
      assertEquals(List.of(2, 3), weights.dims("w"));
      assertArrayEquals(new float[] {0, 1, 2, 3, 4, 5}, weights.read("w"));
    }
  }

  @Test
  void whatABigEndianMachineWroteIsRead() {
    try (WeightsFile weights = open("big-endian.pth")) {
      assertArrayEquals(new float[] {1.5f, -2, 3e30f}, weights.read("w"));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "os-system.pth | it asks for posix.system; refused, and nothing of the file was run",
        "os-system-legacy.pth | it asks for posix.system; refused, and nothing of the file was run",
        "eval.pth | it asks for builtins.eval; refused",
        "getattr.pth | it asks for __builtin__.getattr; refused",
        "whole-module.pth | it asks for torch.nn.modules.container.Sequential; refused",
        "torchscript.pt | it is a TorchScript program, not a state dict",
        "laughs.pth | it holds a list or set, and no state dict in it",
        "copies.pth | its pickle takes more than 1000000 steps",
        "deep.pth | it holds a tuple, and no state dict in it",
        "deep-key.pth | it holds a dict of a tuple, and no state dict in it",
        "expanded.pth | it has a tensor of [2147483647, 2147483647] from element 0 on in a storage of 1",
        "outside.pth | it has a tensor of [2] from element 1 on in a storage of 2",
        "short.pth | its storage 0 should have 4000 bytes, but has 8",
        "terminal.pth | it has a tensor whose name is not text",
        "path.pth | its entry archive/data/../../../etc/passwd is missing",
        "bomb.pth | is compressed or encrypted, which torch.save never does",
        "integer.pth | its pickle has an integer of 2147483647 bytes",
        "string.pth | its pickle is cut off at byte 11",
      })
  void aHostileFileIsRefusedByName(String name, String reason) throws IOException {
    Path path = file(name);
    String message =
        assertThrows(ModelException.class, () -> WeightsFile.open(path).close()).getMessage();
    assertTrue(message.startsWith("cannot read weights from " + path + ": "), message);
    assertTrue(message.contains(reason), message);
    try (var left = Files.list(folder)) {
      assertEquals(List.of(path), left.toList());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'' | it is empty",
        "version https://git-lfs.github.com/spec/v1 | it is the pointer that Git LFS leaves",
        "<!DOCTYPE html> | it is a web page",
        "GGUF.... | it is a GGUF file",
        "hello, world | it is of no known format",
      })
  void aFileOfAnotherKindIsNamed(String content, String reason) throws IOException {
    Path path = Files.writeString(folder.resolve("weights"), content);
    String message = assertThrows(ModelException.class, () -> WeightsFile.open(path)).getMessage();
    assertTrue(message.contains(reason), message);
    assertTrue(message.contains("safetensors and from files of PyTorch's torch.save"), message);
  }

  @Test
  void aFolderAndAMissingFileAreNamed() {
    assertTrue(
        assertThrows(ModelException.class, () -> WeightsFile.open(folder))
            .getMessage()
            .endsWith("it is not a regular file"));
    assertTrue(
        assertThrows(ModelException.class, () -> WeightsFile.open(folder.resolve("none.pth")))
            .getMessage()
            .endsWith("there is no such file"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"plain.pth", "legacy.pth"})
  void aFileThatIsCutOffAnywhereIsRefused(String name) {
    byte[] whole = resource(name);
    for (int length = 0; length < whole.length; length++) {
      byte[] part = java.util.Arrays.copyOf(whole, length);
      assertThrows(ModelException.class, () -> WeightsFile.of(name, part).close(), () -> name);
    }
  }

  @Test
  void useAfterCloseIsRefused() {
    WeightsFile weights = open("plain.pth");
    weights.close();
    weights.close();
    assertThrows(IllegalStateException.class, weights::names);
    assertThrows(IllegalStateException.class, () -> weights.dims("fc.bias"));
    assertThrows(IllegalStateException.class, () -> weights.read("fc.bias"));
    assertThrows(IllegalStateException.class, weights::fingerprint);
  }

  @Test
  void aTensorThatIsNotThereAndATargetThatIsTooSmallAreRefused() {
    try (WeightsFile weights = open("plain.pth")) {
      assertThrows(NoSuchElementException.class, () -> weights.read("fc.wieght"));
      assertThrows(
          IllegalArgumentException.class,
          () -> weights.read("fc.bias", MemorySegment.ofArray(new float[9])));
    }
  }

  @Test
  void tensorsAreReadIntoNativeMemoryOfAnyAlignment() {
    try (WeightsFile weights = open("bfloat16.pth");
        Arena arena = Arena.ofConfined()) {
      MemorySegment odd = arena.allocate(41).asSlice(1);
      weights.read("fc.bias", odd);
      byte[] bytes = odd.toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
      float[] floats = new float[10];
      MemorySegment.copy(
          MemorySegment.ofArray(bytes),
          java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED,
          0,
          floats,
          0,
          10);
      assertArrayEquals(expected("fc.bias", List.of(10)), floats);
    }
  }

  @Test
  void theFingerprintIsTheSha256OfTheFile() throws Exception {
    byte[] bytes = resource("plain.pth");
    String expected = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    try (WeightsFile weights = WeightsFile.open(file("plain.pth"))) {
      assertEquals(expected, weights.fingerprint());
      assertEquals(expected, weights.fingerprint());
    }
  }

  @Test
  void aFileThatShrinksWhileItIsOpenDoesNotEndTheProcess() throws IOException {
    byte[] large =
        SafetensorsTest.file(
            "{\"w\":{\"dtype\":\"F32\",\"shape\":[1048576],\"data_offsets\":[0,4194304]}}",
            1 << 22);
    Path path = Files.write(folder.resolve("large.safetensors"), large);
    try (WeightsFile weights = WeightsFile.open(path)) {
      try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
        channel.truncate(4096);
      }
      String message = assertThrows(ModelException.class, () -> weights.read("w")).getMessage();
      assertTrue(message.contains("became shorter"), message);
    }
  }

  @Test
  void namesKeepTheOrderOfTheFile() {
    try (WeightsFile weights = open("plain.pth")) {
      assertEquals("conv1.weight", weights.names().iterator().next());
      assertFalse(weights.names() instanceof TreeSet);
      assertThrows(UnsupportedOperationException.class, () -> weights.names().clear());
    }
  }
}
