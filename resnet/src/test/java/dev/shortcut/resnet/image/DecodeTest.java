package dev.shortcut.resnet.image;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.webp.LibWebp;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** Every stored picture against Pillow's pixels, exactly. */
class DecodeTest {
  private static final DecodeOptions AS_STORED =
      DecodeOptions.DEFAULT.withOrientation(ExifOrientation.IGNORE);
  private static final SortedMap<String, byte[]> PICTURES = StoredPictures.archive("pictures.zip");
  private static final SortedMap<String, byte[]> EXPECTED = StoredPictures.archive("expected.zip");

  @TestFactory
  Stream<DynamicTest> aPictureHasPillowsPixels() {
    return PICTURES.entrySet().stream()
        .map(picture ->
            DynamicTest.dynamicTest(
                picture.getKey(), () -> compare(picture.getKey(), picture.getValue())));
  }

  private static void compare(String name, byte[] data) {
    assumeDecodable(name);
    Picture stored = StoredPictures.picture(EXPECTED.get(name + ".npy"));
    byte[] turned = EXPECTED.get(name + "@upright.npy");
    Picture upright = turned == null ? stored : StoredPictures.picture(turned);
    assertAll(
        () ->
            assertEquals(
                "",
                StoredPictures.difference(stored, Picture.decode(data, AS_STORED)),
                "as stored"),
        () ->
            assertEquals("", StoredPictures.difference(upright, Picture.decode(data)), "upright"));
  }

  @Test
  void everyFormatIsAmongTheStoredPictures() {
    assertEquals(
        Arrays.stream(PictureFormat.values()).collect(Collectors.toSet()),
        PICTURES.values().stream()
            .map(data -> PictureFormat.of(data).orElseThrow())
            .collect(Collectors.toSet()));
  }

  @Test
  void orientationChangesAllButTheUprightOnes() {
    for (int tag = 0; tag <= 9; tag++) {
      assertEquals(
          tag >= 2 && tag <= 8,
          EXPECTED.containsKey("jpeg/orientation-%d.jpg@upright.npy".formatted(tag)),
          "orientation " + tag);
    }
  }

  @Test
  void aFileGivesTheSamePictureAsItsBytes(@TempDir Path folder) throws Exception {
    byte[] data = PICTURES.get("jpeg/420.jpg");
    Path misnamed = Files.write(folder.resolve("a picture.png"), data);
    assertEquals(Picture.decode(data), Picture.decode(misnamed));
  }

  @Test
  void decodingLeavesTheBytesAsTheyWere() {
    PICTURES.forEach((name, data) -> {
      byte[] before = data.clone();
      if (isDecodable(name)) {
        Picture.decode(data);
      }
      assertTrue(Arrays.equals(before, data), name);
    });
  }

  @Test
  void sixteenThreadsDecodeAsOneDoes() throws Exception {
    List<Map.Entry<String, byte[]>> pictures =
        new ArrayList<>(PICTURES.entrySet().stream().filter(p -> isDecodable(p.getKey())).toList());
    Map<String, Picture> alone =
        pictures.stream()
            .collect(Collectors.toMap(Map.Entry::getKey, p -> Picture.decode(p.getValue())));
    try (ExecutorService threads = Executors.newFixedThreadPool(16)) {
      List<Future<?>> running = new ArrayList<>();
      for (int i = 0; i < 16; i++) {
        Collections.rotate(pictures, 17);
        List<Map.Entry<String, byte[]>> order = List.copyOf(pictures);
        running.add(
            threads.submit(() ->
                order.forEach(p ->
                    assertEquals(
                        alone.get(p.getKey()), Picture.decode(p.getValue()), p.getKey()))));
      }
      for (Future<?> each : running) {
        each.get();
      }
    }
  }

  @Test
  void aPictureKnowsItsArraysLength() {
    assertThrows(IllegalArgumentException.class, () -> new Picture(2, 2, new byte[11]));
    assertThrows(IllegalArgumentException.class, () -> new Picture(0, 2, new byte[0]));
    assertThrows(IllegalArgumentException.class, () -> new Picture(-1, -1, new byte[3]));
  }

  static void assumeDecodable(String name) {
    if (name.endsWith(".webp")) {
      try {
        assertTrue(LibWebp.load().version().matches("\\d+\\.\\d+\\.\\d+"));
      } catch (LibraryException e) {
        assumeTrue(false, "needs the system's libwebp: " + e.getMessage());
      }
    }
  }

  private static boolean isDecodable(String name) {
    try {
      assumeDecodable(name);
      return true;
    } catch (org.opentest4j.TestAbortedException e) {
      return false;
    }
  }
}
