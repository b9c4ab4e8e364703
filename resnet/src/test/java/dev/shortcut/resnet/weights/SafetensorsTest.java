package dev.shortcut.resnet.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.ModelException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Headers that hold and headers that lie. */
class SafetensorsTest {
  /** A whole file of this header and this much data, all zero but for its first four bytes. */
  static byte[] file(String header, int dataBytes) {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer file =
        ByteBuffer.allocate(Long.BYTES + json.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
    file.putLong(json.length).put(json);
    if (dataBytes >= 4) {
      file.putFloat(1.5f);
    }
    return file.array();
  }

  private static WeightsFile open(String header, int dataBytes) {
    return WeightsFile.of("test.safetensors", file(header, dataBytes));
  }

  private static String refusal(byte[] file) {
    return assertThrows(
            ModelException.class, () -> WeightsFile.of("test.safetensors", file).close())
        .getMessage();
  }

  @Test
  void tensorsComeInTheOrderOfTheHeaderWhateverTheOrderOfTheirBytes() {
    String header =
        """
        {"__metadata__": {"format": "pt"},
         "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
         "a": {"data_offsets": [0, 4], "shape": [], "dtype": "F32"},
         "num_batches_tracked": {"dtype": "I64", "shape": [], "data_offsets": [12, 20]}}
        """;
    try (WeightsFile weights = open(header, 20)) {
      assertEquals(WeightsFile.Format.SAFETENSORS, weights.format());
      assertEquals(List.of("b", "a"), List.copyOf(weights.names()));
      assertEquals(List.of(), weights.dims("a"));
      assertArrayEquals(new float[] {1.5f}, weights.read("a"));
      assertArrayEquals(new float[] {0, 0}, weights.read("b"));
    }
  }

  @Test
  void anEmptyFileOfTensorsIsValid() {
    try (WeightsFile weights = open("{}", 0)) {
      assertEquals(Set.of(), weights.names());
    }
  }

  @Test
  void aTypeThatIsNotUnderstoodMattersOnlyWhenItIsRead() {
    String header =
        """
        {"good": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
         "odd": {"dtype": "F8_E4M3", "shape": [3], "data_offsets": [4, 7]}}
        """;
    try (WeightsFile weights = open(header, 7)) {
      assertArrayEquals(new float[] {1.5f}, weights.read("good"));
      assertEquals(List.of(3), weights.dims("odd"));
      String message = assertThrows(ModelException.class, () -> weights.read("odd")).getMessage();
      assertTrue(message.contains("cannot read odd from test.safetensors"), message);
      assertTrue(message.contains("F8_E4M3"), message);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{'w':{'dtype':'F32','shape':[2],'data_offsets':[0,4]}} | 4 | [2] of F32, but its offsets are 4",
        "{'w':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}} | 4 | claims bytes 0 to 8",
        "{'w':{'dtype':'F32','shape':[0],'data_offsets':[4,0]}} | 4 | claims bytes 4 to 0",
        "{'w':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}} | 8 | its tensors take 4 bytes, but 8",
        "{'w':{'dtype':'F32','shape':[1],'data_offsets':[4,8]}} | 8 | w begins at byte 4",
        "{'v':{'dtype':'F32','shape':[1],'data_offsets':[0,4]},'w':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}} | 4 | w begins at byte 0 of the data, but what is before it ends at 4",
        "{'w':{'dtype':'F32','shape':[1],'data_offsets':[0,4]},'w':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}} | 4 | Duplicate",
        "{'w':{'dtype':'F32','shape':[2147483648],'data_offsets':[0,0]}} | 0 | beyond 2^31-1",
        "{'w':{'dtype':'F32','shape':[9223372036854775808],'data_offsets':[0,0]}} | 0 | beyond 2^63-1",
        "{'w':{'dtype':'F32','shape':[-1],'data_offsets':[0,0]}} | 0 | negative",
        "{'w':{'dtype':'F32','shape':[2147483647,2147483647,2147483647],'data_offsets':[0,0]}} | 0 | more than can be counted",
        "{'w':{'dtype':'X','shape':[2147483647,2147483647,2147483647],'data_offsets':[0,0]}} | 0 | more than can be counted",
        "{'w':{'dtype':'X','shape':[2147483647],'data_offsets':[0,4]}} | 4 | but its offsets are 4",
        "{'w':{'dtype':'F32','shape':[1],'data_offsets':[0,9223372036854775807]}} | 4 | claims bytes",
        "{'w':{'dtype':'F32','shape':[1],'data_offsets':[0,4,8]}} | 4 | more than 2 numbers",
        "{'w':{'dtype':'F32','shape':[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],'data_offsets':[0,4]}} | 4 | more than 16 numbers",
        "{'w':{'dtype':'F32','shape':[NaN],'data_offsets':[0,4]}} | 4 | not valid JSON",
        "{'w':{'dtype':'F32','shape':[1.0],'data_offsets':[0,4]}} | 4 | has VALUE_NUMBER_FLOAT",
        "{'w':{'dtype':'F32','shape':1,'data_offsets':[0,4]}} | 4 | has VALUE_NUMBER_INT",
        "{'w':{'dtype':'F32','shape':[1]}} | 4 | lacks dtype, shape or data_offsets of w",
        "{'w':{'dtype':'F32','shape':[1],'data_offsets':[0,4],'x':1}} | 4 | says x of w",
        "{'w':[1]} | 4 | has START_ARRAY",
        "{'__metadata__':{'a':{'b':1}}} | 0 | has START_OBJECT",
        "{} {} | 0 | goes on after",
        "{'w':{'dtype':'F32' | 0 | not valid JSON",
        "{'w\\u001b[2J':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}} | 4 | whose name is not text: w\\u{1b}[2J",
      })
  void aHeaderThatLiesIsRefusedWithTheReason(String header, int dataBytes, String reason) {
    String message = refusal(file(header.replace('\'', '"'), dataBytes));
    assertTrue(message.startsWith("cannot read weights from test.safetensors: "), message);
    assertTrue(message.contains(reason), message);
  }

  @Test
  void aHeaderThatIsNotUtf8IsRefused() {
    byte[] file = file("{\"??\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
    file[Long.BYTES + 2] = (byte) 0xc3;
    file[Long.BYTES + 3] = (byte) 0x28;
    assertTrue(refusal(file).contains("not UTF-8"));
  }

  @ParameterizedTest
  @CsvSource({
    "9223372036854775807, claims 9223372036854775807 bytes",
    "-9223372036854775808, claims 9223372036854775808 bytes",
    "-1, claims 18446744073709551615 bytes",
    "100000001, claims 100000001 bytes",
    "99999999, 'claims 99999999 bytes, but the file ends after 10'",
    "3, 'claims 3 bytes, but the file ends after 10'",
  })
  void aHeaderLengthThatCannotBeIsRefused(long length, String reason) {
    byte[] file = new byte[10];
    ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).putLong(length);
    file[8] = '{';
    String message = refusal(file);
    assertTrue(message.contains(reason), message);
  }

  @Test
  void aFileThatIsCutOffAnywhereIsRefused() {
    byte[] whole = file("{\"w\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 16);
    for (int length = 0; length < whole.length; length++) {
      refusal(Arrays.copyOf(whole, length));
    }
  }

  @Test
  void moreTensorsThanAnyNetworkHasAreRefused() {
    var header = new StringBuilder("{");
    for (int i = 0; i <= 100_000; i++) {
      header
          .append(i == 0 ? "" : ",")
          .append("\"%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}".formatted(i));
    }
    assertTrue(refusal(file(header + "}", 0)).contains("more than 100000 tensors"));
  }
}
