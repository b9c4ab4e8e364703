package dev.shortcut.resnet.image;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.shortcut.testing.TestSeed;
import java.util.Map;
import java.util.Random;
import java.util.SortedMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.TestFactory;

class ResamplingTest {
  private static final SortedMap<String, byte[]> STORED = StoredPictures.archive("resize.zip");

  @TestFactory
  Stream<DynamicTest> aResizedPictureHasPillowsPixels() {
    return STORED.entrySet().stream()
        .filter(entry -> entry.getKey().startsWith("resize/"))
        .map(entry -> DynamicTest.dynamicTest(entry.getKey(), () -> compare(entry)));
  }

  private static void compare(Map.Entry<String, byte[]> entry) {
    String[] name = entry.getKey().split("/");
    Picture source = StoredPictures.picture(STORED.get("source/%s.npy".formatted(name[1])));
    Picture expected = StoredPictures.picture(entry.getValue());
    Picture actual = resize(source, expected.width(), expected.height(), Interpolation.of(name[2]));
    assertEquals("", StoredPictures.difference(expected, actual));
  }

  @RepeatedTest(100)
  void aWindowHasThePixelsOfTheWhole() {
    Random random = TestSeed.random();
    byte[] rgb = new byte[3 * 31 * 23];
    random.nextBytes(rgb);
    Picture source = new Picture(31, 23, rgb);
    int width = random.nextBoolean() ? 31 : 1 + random.nextInt(60);
    int height = random.nextBoolean() ? 23 : 1 + random.nextInt(60);
    Interpolation interpolation =
        Interpolation.values()[random.nextInt(Interpolation.values().length)];
    Picture whole = resize(source, width, height, interpolation);
    int left = random.nextInt(width);
    int top = random.nextInt(height);
    Resampling.Window window =
        new Resampling.Window(
            left, top, 1 + random.nextInt(width - left), 1 + random.nextInt(height - top));
    int offset = random.nextInt(50);
    int stride = 3 * window.width() + random.nextInt(20);
    byte[] part = new byte[offset + stride * window.height()];
    Resampling.resize(source, width, height, interpolation, window, part, offset, stride);
    for (int y = 0; y < window.height(); y++) {
      for (int i = 0; i < 3 * window.width(); i++) {
        assertEquals(
            whole.rgb()[3 * (left + (top + y) * width) + i],
            part[offset + y * stride + i],
            () ->
                "%s to %d x %d by %s, %s".formatted(source, width, height, interpolation, window));
      }
    }
  }

  private static Picture resize(
      Picture source, int width, int height, Interpolation interpolation) {
    byte[] rgb = new byte[3 * width * height];
    Resampling.Window all = new Resampling.Window(0, 0, width, height);
    Resampling.resize(source, width, height, interpolation, all, rgb, 0, 3 * width);
    return new Picture(width, height, rgb);
  }
}
