package dev.shortcut.bindings.webp;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;

import dev.shortcut.bindings.library.LibraryException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class LibWebpTest {
  /** Three pixels by two, lossless, written by Pillow 9.4. */
  private static final byte[] SIX_PIXELS =
      Base64.getDecoder()
          .decode(
              "UklGRkAAAABXRUJQVlA4TDQAAAAvAkAAAC9AkG2z7f7M1yCQtNn2/plPIGmz7f0zf/4D/sijZpttoJBtBDh0r8ApXUT/Y3gB");

  private static final LibWebp.Size THREE_BY_TWO = new LibWebp.Size(3, 2);
  private static final byte[] PIXELS = {-1, 0, 0, 0, -1, 0, 0, 0, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9};

  private LibWebp webp;

  @BeforeEach
  void open() {
    try {
      webp = LibWebp.load();
    } catch (LibraryException e) {
      abort("needs the system's libwebp (Debian: libwebp7): " + e.getMessage());
    }
  }

  @Test
  void theVersionHasThreeNumbers() {
    assertTrue(webp.version().matches("\\d+\\.\\d+\\.\\d+"), webp::version);
  }

  @Test
  void aPictureHasItsSizeAndPixels() {
    assertEquals(Optional.of(THREE_BY_TWO), webp.size(SIX_PIXELS, 0, SIX_PIXELS.length));
    assertArrayEquals(
        PIXELS, webp.decodeRgb(SIX_PIXELS, 0, SIX_PIXELS.length, THREE_BY_TWO).orElseThrow());
  }

  @Test
  void onlyTheNamedBytesAreRead() {
    byte[] within = new byte[SIX_PIXELS.length + 20];
    Arrays.fill(within, (byte) 0x55);
    System.arraycopy(SIX_PIXELS, 0, within, 13, SIX_PIXELS.length);
    assertEquals(Optional.of(THREE_BY_TWO), webp.size(within, 13, SIX_PIXELS.length));
    assertArrayEquals(
        PIXELS, webp.decodeRgb(within, 13, SIX_PIXELS.length, THREE_BY_TWO).orElseThrow());
    assertThrows(IndexOutOfBoundsException.class, () -> webp.size(within, 30, within.length));
    assertThrows(
        IndexOutOfBoundsException.class, () -> webp.decodeRgb(within, -1, 30, THREE_BY_TWO));
  }

  @Test
  void otherBytesHaveNoSizeAndNoPixels() {
    byte[] text = "RIFF or not, this is no picture".getBytes(StandardCharsets.US_ASCII);
    assertEquals(Optional.empty(), webp.size(text, 0, text.length));
    assertEquals(Optional.empty(), webp.size(text, 0, 0));
    assertTrue(webp.decodeRgb(text, 0, text.length, THREE_BY_TWO).isEmpty());
  }

  @Test
  void aPictureThatIsCutOffHasNoPixels() {
    for (int length = 0; length < SIX_PIXELS.length - 8; length++) {
      assertTrue(webp.decodeRgb(SIX_PIXELS, 0, length, THREE_BY_TWO).isEmpty(), "cut to " + length);
    }
  }

  @Test
  void aPictureThatIsLargerThanItsBufferIsNotDecoded() {
    LibWebp.Size tooSmall = new LibWebp.Size(2, 2);
    assertTrue(webp.decodeRgb(SIX_PIXELS, 0, SIX_PIXELS.length, tooSmall).isEmpty());
  }
}
