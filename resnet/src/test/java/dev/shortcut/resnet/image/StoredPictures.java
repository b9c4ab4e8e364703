package dev.shortcut.resnet.image;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/** What src/test/python/make_pictures.py stored: encoded pictures and what Pillow made of them. */
final class StoredPictures {
  private static final Pattern SHAPE = Pattern.compile("\\((\\d+), (\\d+), 3\\)");
  private static final int NPY_PREFIX = 10;

  private StoredPictures() {}

  /** An archive's entries in order of name. */
  static SortedMap<String, byte[]> archive(String name) {
    SortedMap<String, byte[]> entries = new TreeMap<>();
    try (InputStream file = StoredPictures.class.getResourceAsStream(name);
        ZipInputStream in = new ZipInputStream(file)) {
      for (ZipEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
        entries.put(entry.getName(), in.readAllBytes());
      }
    } catch (IOException e) {
      throw new UncheckedIOException(name, e);
    }
    return entries;
  }

  /** A numpy array, uint8, height x width x 3, in C order. */
  static Picture picture(byte[] npy) {
    int header = NPY_PREFIX + ((npy[8] & 0xFF) | ((npy[9] & 0xFF) << 8));
    String text = new String(npy, NPY_PREFIX, header - NPY_PREFIX, StandardCharsets.US_ASCII);
    Matcher shape = SHAPE.matcher(text);
    if (!text.contains("'|u1'") || !text.contains("'fortran_order': False") || !shape.find()) {
      throw new IllegalArgumentException("not a picture: " + text);
    }
    return new Picture(
        Integer.parseInt(shape.group(2)),
        Integer.parseInt(shape.group(1)),
        Arrays.copyOfRange(npy, header, npy.length));
  }

  /** Empty if the two are equal, else how they differ. */
  static String difference(Picture expected, Picture actual) {
    if (expected.width() != actual.width() || expected.height() != actual.height()) {
      return "expected %s, got %s".formatted(expected, actual);
    }
    int largest = 0;
    int first = -1;
    long sum = 0;
    for (int i = 0; i < expected.rgb().length; i++) {
      int apart = Math.abs((expected.rgb()[i] & 0xFF) - (actual.rgb()[i] & 0xFF));
      largest = Math.max(largest, apart);
      sum += apart;
      first = apart > 0 && first < 0 ? i : first;
    }
    return largest == 0
        ? ""
        : "at most %d apart, %.4f on average; first at x %d, y %d, channel %d: expected %d, got %d"
            .formatted(
                largest,
                (double) sum / expected.rgb().length,
                first / 3 % expected.width(),
                first / 3 / expected.width(),
                first % 3,
                expected.rgb()[first] & 0xFF,
                actual.rgb()[first] & 0xFF);
  }
}
