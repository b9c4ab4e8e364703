package dev.shortcut.resnet.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Map;
import java.util.SortedMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class PreprocessingTest {
  private static final Rgb MEAN = new Rgb(0.4914f, 0.4822f, 0.4465f);
  private static final Rgb STD = new Rgb(0.247f, 0.2435f, 0.2616f);
  private static final String CIFAR10 =
      """
      {
        "model": "resnet20",
        "classes": ["airplane", "automobile"],
        "preprocessing": {
          "resize": 32, "crop": 32, "interpolation": "bilinear",
          "mean": [0.4914, 0.4822, 0.4465], "std": [0.247, 0.2435, 0.2616]
        },
        "metrics": {"mean": {"of": [1, 2]}, "top1_error_percent": 13.25}
      }
      """;
  private static final SortedMap<String, byte[]> STORED = StoredPictures.archive("resize.zip");

  @TestFactory
  Stream<DynamicTest> aPreparedPictureHasTorchvisionsPixels() {
    return STORED.entrySet().stream()
        .filter(entry -> entry.getKey().startsWith("prepare/"))
        .map(entry -> DynamicTest.dynamicTest(entry.getKey(), () -> compareToTorchvision(entry)));
  }

  private static void compareToTorchvision(Map.Entry<String, byte[]> entry) {
    String[] name = entry.getKey().split("[/.]");
    String[] sides = name[3].split("-");
    Picture source = StoredPictures.picture(STORED.get("source/%s.npy".formatted(name[1])));
    Preprocessing preprocessing =
        new Preprocessing(
            Integer.parseInt(sides[0]),
            Integer.parseInt(sides[1]),
            Interpolation.of(name[2]),
            MEAN,
            STD);
    assertEquals(
        "",
        StoredPictures.difference(
            StoredPictures.picture(entry.getValue()), preprocessing.apply(source)));
  }

  @TestFactory
  Stream<DynamicTest> aCropHasTorchvisionsPixels() {
    return STORED.entrySet().stream()
        .filter(entry -> entry.getKey().startsWith("crop/"))
        .map(entry ->
            DynamicTest.dynamicTest(
                entry.getKey(),
                () -> {
                  String[] name = entry.getKey().split("[/.]");
                  Picture source =
                      StoredPictures.picture(STORED.get("source/%s.npy".formatted(name[1])));
                  int shorter = Math.min(source.width(), source.height());
                  Preprocessing onlyCrop =
                      new Preprocessing(
                          shorter, Integer.parseInt(name[2]), Interpolation.BICUBIC, MEAN, STD);
                  assertEquals(
                      "",
                      StoredPictures.difference(
                          StoredPictures.picture(entry.getValue()), onlyCrop.apply(source)));
                }));
  }

  @Test
  void aPictureOfTheRightSizeIsReturnedAsItIs() {
    Picture picture = new Picture(32, 32, new byte[3 * 32 * 32]);
    assertSame(picture, Preprocessing.fromJson(CIFAR10).apply(picture));
  }

  @Test
  void pixelsGoIntoTheCallersMemoryAtItsOffset() {
    Picture source = StoredPictures.picture(STORED.get("source/scene.npy"));
    Preprocessing preprocessing = new Preprocessing(24, 20, Interpolation.BILINEAR, MEAN, STD);
    int bytes = preprocessing.outputBytes();
    assertEquals(20 * 20 * 3, bytes);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment batch = arena.allocate(3L * bytes).fill((byte) 77);
      preprocessing.applyInto(source, batch, bytes);
      byte[] all = batch.toArray(ValueLayout.JAVA_BYTE);
      byte[] untouched = new byte[bytes];
      Arrays.fill(untouched, (byte) 77);
      assertArrayEquals(untouched, Arrays.copyOf(all, bytes));
      assertArrayEquals(
          preprocessing.apply(source).rgb(), Arrays.copyOfRange(all, bytes, 2 * bytes));
      assertArrayEquals(untouched, Arrays.copyOfRange(all, 2 * bytes, 3 * bytes));
      assertThrows(
          IndexOutOfBoundsException.class,
          () -> preprocessing.applyInto(source, batch, 2L * bytes + 1));
    }
  }

  @Test
  void aLongThinPictureTakesNoMoreMemoryThanItsWindow() {
    Picture line = new Picture(3_000_000, 1, new byte[9_000_000]);
    assertEquals(224, Preprocessing.IMAGENET.apply(line).width());
    Preprocessing larger = new Preprocessing(16_384, 16, Interpolation.NEAREST, MEAN, STD);
    assertThrows(PictureException.class, () -> larger.apply(line));
  }

  @Test
  void aSideFileIsRead() {
    assertEquals(
        new Preprocessing(32, 32, Interpolation.BILINEAR, MEAN, STD),
        Preprocessing.fromJson(CIFAR10));
  }

  @ParameterizedTest
  @EnumSource(Interpolation.class)
  void writtenJsonIsReadBackToAnEqualValue(Interpolation interpolation) {
    Preprocessing preprocessing =
        new Preprocessing(232, 224, interpolation, MEAN, new Rgb(1, 1e-7f, 3.4e38f));
    assertEquals(preprocessing, Preprocessing.fromJson(preprocessing.toJson()));
  }

  @Test
  void writtenJsonHasTheFormOfTheSideFile() {
    assertEquals(
        "{\"resize\":256,\"crop\":224,\"interpolation\":\"bilinear\","
            + "\"mean\":[0.485,0.456,0.406],\"std\":[0.229,0.224,0.225]}",
        Preprocessing.IMAGENET.toJson());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`` | a JSON object",
        "[] | a JSON object",
        "{\"resize\": 3 | no valid JSON",
        "{\"resize\": 256, \"crop\": 224} | missing: interpolation mean std",
        "{\"resize\": 256, \"resize\": 257} | Duplicate",
        "{\"resise\": 256} | no member \"resise\"",
        "{\"resize\": 2.5} | whole number",
        "{\"resize\": \"256\"} | whole number",
        "{\"resize\": 99999999999} | no valid JSON",
        "{\"interpolation\": \"cubic\"} | choose one of nearest, box, bilinear, hamming, bicubic, lanczos",
        "{\"mean\": [1, 2]} | three numbers",
        "{\"mean\": [1, 2, 3, 4]} | three numbers",
        "{\"std\": [1, 2, \"3\"]} | three numbers",
        "{\"std\": [[1], 2, 3]} | three numbers",
        "{\"std\": 1} | three numbers",
        "{\"preprocessing\": {\"resize\": 256}} | missing: crop",
      })
  void wrongJsonIsRefusedByName(String json, String reason) {
    IllegalArgumentException refusal =
        assertThrows(IllegalArgumentException.class, () -> Preprocessing.fromJson(json));
    assertTrue(refusal.getMessage().contains(reason), refusal::getMessage);
  }

  @Test
  void numbersThatMakeNoSenseAreRefused() {
    for (int side : new int[] {0, -1, Integer.MIN_VALUE, 16_385}) {
      assertThrows(
          IllegalArgumentException.class,
          () -> new Preprocessing(side, 224, Interpolation.BOX, MEAN, STD));
      assertThrows(
          IllegalArgumentException.class,
          () -> new Preprocessing(256, side, Interpolation.BOX, MEAN, STD));
    }
    for (float bad : new float[] {0, -1, Float.NaN, Float.POSITIVE_INFINITY}) {
      Rgb std = new Rgb(1, bad, 1);
      assertThrows(
          IllegalArgumentException.class,
          () -> new Preprocessing(256, 224, Interpolation.BOX, MEAN, std));
    }
    Rgb mean = new Rgb(1, 1, Float.NaN);
    assertThrows(
        IllegalArgumentException.class,
        () -> new Preprocessing(256, 224, Interpolation.BOX, mean, STD));
  }
}
