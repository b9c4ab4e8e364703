package dev.shortcut.resnet.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.SortedMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** Files that are no pictures, are damaged, or claim to be larger than they may be. */
class RefusedPicturesTest {
  private static final SortedMap<String, byte[]> PICTURES = StoredPictures.archive("pictures.zip");
  private static final SortedMap<String, byte[]> REFUSED = StoredPictures.archive("refused.zip");

  @TestFactory
  Stream<DynamicTest> itIsRefusedWithAReason() {
    return REFUSED.entrySet().stream()
        .map(file ->
            DynamicTest.dynamicTest(
                file.getKey(),
                () -> {
                  DecodeTest.assumeDecodable(file.getKey());
                  PictureException refusal =
                      assertThrows(PictureException.class, () -> Picture.decode(file.getValue()));
                  assertFalse(refusal.getCause() instanceof OutOfMemoryError, refusal::getMessage);
                  assertTrue(
                      refusal.getMessage().startsWith("cannot read picture ("),
                      refusal::getMessage);
                  assertFalse(refusal.reason().isBlank());
                }));
  }

  @Test
  void aSizeBeyondTheLimitIsNamed() {
    for (String name : new String[] {"png/60000x60000.png", "bmp/huge.bmp", "tiff/huge.tif"}) {
      assertReason("60000 x 60000 pixels, more than the limit of 89,478,485", REFUSED.get(name));
    }
    assertReason("65500 x 65500 pixels", REFUSED.get("jpeg/huge-header.jpg"));
    assertReason("65535 x 65535 pixels", REFUSED.get("gif/huge-screen.gif"));
    assertReason("65535 x 65535 pixels", REFUSED.get("gif/huge-frame.gif"));
  }

  @Test
  void whatIsNotSupportedIsNamed() {
    assertReason("arithmetic coding", REFUSED.get("jpeg/arithmetic.jpg"));
    assertReason("lossless coding", REFUSED.get("jpeg/lossless.jpg"));
    assertReason("12 bits per sample", REFUSED.get("jpeg/12-bit.jpg"));
    assertReason("BigTIFF", REFUSED.get("tiff/bigtiff.tif"));
    assertReason("floating-point", REFUSED.get("tiff/float.tif"));
    assertReason("begins like a text file (\"This is a te\")", REFUSED.get("other/text.jpg"));
    assertReason("zip archive", REFUSED.get("other/archive.png"));
    assertReason("empty", REFUSED.get("other/empty.jpg"));
  }

  @Test
  void everyTruncationOfAJpegIsRefused() {
    assertTruncationsAreRefused("jpeg/17x17.jpg");
    assertTruncationsAreRefused("jpeg/progressive-grey.jpg");
  }

  @Test
  void everyTruncationOfAWebpIsRefused() {
    DecodeTest.assumeDecodable("webp/17x33.webp");
    assertTruncationsAreRefused("webp/17x33.webp");
  }

  /** Pixels may end before the file does: these are good, or refused, but never anything else. */
  @Test
  void everyTruncationOfAnyPictureIsThePictureOrRefused() {
    for (String name :
        new String[] {
          "png/7x7.png",
          "png/palette-2.png",
          "gif/2-colours.gif",
          "bmp/rle-4.bmp",
          "tiff/one-bit-group4.tif",
          "tiff/pages.tif"
        }) {
      byte[] whole = PICTURES.get(name);
      Picture picture = Picture.decode(whole);
      for (int length = 0; length < whole.length; length++) {
        byte[] cut = Arrays.copyOf(whole, length);
        try {
          assertEquals(
              "",
              StoredPictures.difference(picture, Picture.decode(cut)),
              name + " cut to " + length);
        } catch (PictureException refused) {
          assertFalse(refused.reason().isBlank());
        }
      }
    }
  }

  @Test
  void aLimitOnPixelsHoldsForEveryFormat() {
    for (String name :
        new String[] {
          "jpeg/420.jpg",
          "png/rgb-8.png",
          "gif/palette.gif",
          "bmp/rgb-24.bmp",
          "tiff/rgb-lzw.tif",
          "webp/lossless.webp"
        }) {
      DecodeTest.assumeDecodable(name);
      byte[] data = PICTURES.get(name);
      Picture picture = Picture.decode(data);
      long pixels = (long) picture.width() * picture.height();
      assertEquals(
          picture, Picture.decode(data, DecodeOptions.DEFAULT.withMaxPixels(pixels)), name);
      PictureException refusal =
          assertThrows(
              PictureException.class,
              () -> Picture.decode(data, DecodeOptions.DEFAULT.withMaxPixels(pixels - 1)),
              name);
      assertTrue(
          refusal.reason().contains("more than the limit of %,d".formatted(pixels - 1)),
          refusal::getMessage);
    }
  }

  @Test
  void aLimitOnBytesHoldsForFilesAndForMemory(@TempDir Path folder) throws Exception {
    byte[] data = PICTURES.get("jpeg/420.jpg");
    DecodeOptions enough = DecodeOptions.DEFAULT.withMaxBytes(data.length);
    DecodeOptions tooFew = DecodeOptions.DEFAULT.withMaxBytes(data.length - 1);
    Path file = Files.write(folder.resolve("a.jpg"), data);
    assertEquals(Picture.decode(data, enough), Picture.decode(file, enough));
    assertThrows(PictureException.class, () -> Picture.decode(data, tooFew));
    PictureException refusal =
        assertThrows(PictureException.class, () -> Picture.decode(file, tooFew));
    assertTrue(
        refusal.reason().contains("limit of %,d bytes".formatted(data.length - 1)),
        refusal::getMessage);
    assertEquals(file.toString(), refusal.picture());
  }

  @Test
  void anEndlessFileIsReadUpToTheLimitOnly() {
    Path zeros = Path.of("/dev/zero");
    assumeTrue(Files.exists(zeros), "this system has no /dev/zero");
    assertThrows(
        PictureException.class,
        () -> Picture.decode(zeros, DecodeOptions.DEFAULT.withMaxBytes(1 << 20)));
  }

  @Test
  void aFileThatIsNotThereIsNamed(@TempDir Path folder) {
    PictureException refusal =
        assertThrows(PictureException.class, () -> Picture.decode(folder.resolve("no such.jpg")));
    assertTrue(
        refusal.getMessage().contains("no such.jpg: there is no such file"), refusal::getMessage);
  }

  @Test
  void aFolderIsNoPicture(@TempDir Path folder) {
    PictureException refusal = assertThrows(PictureException.class, () -> Picture.decode(folder));
    assertTrue(refusal.reason().contains("it is a folder"), refusal::getMessage);
  }

  @Test
  void aFileThatMayNotBeReadIsNamed(@TempDir Path folder) throws Exception {
    Path file = Files.write(folder.resolve("secret.jpg"), PICTURES.get("jpeg/420.jpg"));
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("---------"));
    assumeFalse(Files.isReadable(file), "this user (root?) may read every file");
    PictureException refusal = assertThrows(PictureException.class, () -> Picture.decode(file));
    assertTrue(refusal.reason().contains("permission denied"), refusal::getMessage);
  }

  @Test
  void aJpegWithThousandsOfScansIsTakenForAnAttack() {
    byte[] whole = PICTURES.get("jpeg/progressive-420.jpg");
    int lastScan = whole.length - 2;
    while (!(whole[lastScan] == (byte) 0xFF && whole[lastScan + 1] == (byte) 0xDA)) {
      lastScan--;
    }
    int scanLength = whole.length - 2 - lastScan;
    ByteBuffer many =
        ByteBuffer.allocate(whole.length + 1000 * scanLength).put(whole, 0, whole.length - 2);
    for (int i = 0; i < 1000; i++) {
      many.put(whole, lastScan, scanLength);
    }
    assertReason("more than 500 scans", many.put(whole, whole.length - 2, 2).array());
  }

  /**
   * Such as text that unpacks to a thousand times its size; a histogram ahead of its palette shows
   * whether it does.
   */
  @Test
  void aChunkThatIsNotNeededNeverReachesTheReader() {
    byte[] palette = PICTURES.get("png/palette-8.png");
    byte[] histogram = new byte[512];
    int headerEnd = 8 + 25;
    ByteBuffer file =
        ByteBuffer.allocate(palette.length + histogram.length + 12).put(palette, 0, headerEnd);
    file.putInt(histogram.length)
        .put("hIST".getBytes(StandardCharsets.US_ASCII))
        .put(histogram)
        .putInt(0);
    file.put(palette, headerEnd, palette.length - headerEnd);
    assertThrows(UndecodableException.class, () -> PlatformReader.PNG.read(file.array()));
    assertEquals(Picture.decode(palette), Picture.decode(file.array()));
  }

  private static void assertTruncationsAreRefused(String name) {
    byte[] whole = PICTURES.get(name);
    for (int length = 0; length < whole.length; length++) {
      byte[] cut = Arrays.copyOf(whole, length);
      int end = length;
      assertThrows(
          PictureException.class, () -> Picture.decode(cut), () -> name + " cut to " + end);
    }
  }

  private static void assertReason(String expected, byte[] data) {
    PictureException refusal = assertThrows(PictureException.class, () -> Picture.decode(data));
    assertTrue(refusal.reason().contains(expected), refusal::getMessage);
  }
}
