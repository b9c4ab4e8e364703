package dev.shortcut.resnet.batch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.testing.TestSeed;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NpyTest {
  @TempDir private Path folder;

  private Path file(String dict, int version, byte[] data) throws Exception {
    return Files.write(folder.resolve("a.npy"), bytes(dict, version, data));
  }

  /** A file of that version of the format. */
  static byte[] bytes(String dict, int version, byte[] data) {
    var out = new ByteArrayOutputStream();
    byte[] header = (dict + "\n").getBytes(StandardCharsets.UTF_8);
    out.writeBytes(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', (byte) version, 0});
    out.writeBytes(new byte[] {(byte) header.length, (byte) (header.length >> 8)});
    if (version > 1) {
      out.writeBytes(new byte[2]);
    }
    out.writeBytes(header);
    out.writeBytes(data);
    return out.toByteArray();
  }

  static String dict(String descr, String order, String shape) {
    return "{'descr': %s, 'fortran_order': %s, 'shape': %s, }".formatted(descr, order, shape);
  }

  @Test
  void whatIsWrittenIsRead() throws Exception {
    Random random = TestSeed.random();
    Path file = folder.resolve("b.npy");
    float[] values = new float[7 * 3 * 2];
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextFloat();
    }
    try (var writer = NpyWriter.create(file, NpyType.FLOAT32, List.of(3L, 2L))) {
      writer.write(MemorySegment.ofArray(values).asSlice(0, 24));
      writer.write(MemorySegment.ofArray(values).asSlice(24));
      assertFalse(Files.exists(file));
      writer.finish();
    }
    assertEquals(0, Files.size(file) % 2);
    try (var reader = NpyReader.open(file)) {
      assertEquals(List.of(7L, 3L, 2L), reader.dims());
      assertEquals(NpyType.FLOAT32, reader.type());
      float[] read = new float[5 * 6];
      reader.read(2, 5, MemorySegment.ofArray(read));
      assertArrayEquals(java.util.Arrays.copyOfRange(values, 12, 42), read);
      assertThrows(
          IndexOutOfBoundsException.class, () -> reader.read(3, 5, MemorySegment.ofArray(read)));
    }
  }

  @ParameterizedTest
  @CsvSource({"1,'|u1'", "2,'|u1'", "3,'<u1'"})
  void everyVersionOfTheFormatIsRead(int version, String descr) throws Exception {
    try (var reader =
        NpyReader.open(file(dict("'" + descr + "'", "False", "(2, 3)"), version, new byte[6]))) {
      assertEquals(List.of(2L, 3L), reader.dims());
      assertEquals(NpyType.UINT8, reader.type());
      assertEquals(3, reader.rowBytes());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      quoteCharacter = '`',
      value = {
        "'<f8'  ; False ; (1,)                                  ; 8  ; astype",
        "'>f4'  ; False ; (1,)                                  ; 4  ; astype",
        "'|O'   ; False ; (1,)                                  ; 8  ; astype",
        "[('a', '<f4')] ; False ; (1,)                          ; 4  ; records",
        "'<f4'  ; True  ; (2, 2)                                ; 16 ; Fortran",
        "'<f4'  ; False ; (3,)                                  ; 8  ; needs",
        "'<f4'  ; False ; (1,)                                  ; 8  ; needs",
        "'<f4'  ; False ; (999999999999999999, 999999999999999) ; 8  ; counted",
        "'<f4'  ; False ; (0, 999999999999999999, 999999999999) ; 0  ; counted",
        "'<f4'  ; False ; (99999999999999999999999,)            ; 8  ; shape",
        "'<f4'  ; False ; (-1,)                                 ; 8  ; shape",
        "'<f4'  ; Maybe ; (2,)                                  ; 8  ; fortran_order",
        "'<f4'  ; False ; 2                                     ; 8  ; shape",
        "'<f4'  ; False ; (2 2,)                                ; 88 ; shape",
        "'<f4'  ; False ; (0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0) ; 0 ; dimensions"
      })
  void aHeaderThatCannotBeUsedIsRefusedWithItsReason(
      String descr, String order, String shape, int bytes, String reason) throws Exception {
    Path file = file(dict(descr, order, shape), 1, new byte[bytes]);
    InputException refusal = assertThrows(InputException.class, () -> NpyReader.open(file));
    assertTrue(refusal.getMessage().contains(reason), refusal::getMessage);
    assertTrue(refusal.getMessage().contains("a.npy"), refusal::getMessage);
  }

  @Test
  void whatIsNoFileIsNamed() {
    assertTrue(
        assertThrows(InputException.class, () -> NpyReader.open(folder))
            .getMessage()
            .contains("not a file"));
    assertTrue(
        assertThrows(InputException.class, () -> NpyReader.open(folder.resolve("x")))
            .getMessage()
            .contains("there is no file"));
  }

  @Test
  void aFileThatIsNotFinishedHasNoName() {
    Path file = folder.resolve("c.npy");
    try (var writer = NpyWriter.create(file, NpyType.UINT8, List.of(2L))) {
      writer.write(MemorySegment.ofArray(new byte[4]));
    }
    assertFalse(Files.exists(file));
    assertTrue(Files.exists(PartFile.path(file)));
  }
}
