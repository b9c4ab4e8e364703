package dev.shortcut.resnet.image;

import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.webp.LibWebp;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * The first picture of a WebP (Google, WebP Container Specification; RFC 9649), decoded by the
 * system's libwebp.
 *
 * <p>libwebp is given the one chunk of compressed pixels and nothing else: alpha stands apart in
 * lossy pictures, and is dropped; a frame of an animation is put onto its canvas here, as in Pillow
 * on black.
 */
final class WebpDecoder {
  private static final int RIFF_HEADER = 12;
  private static final int FRAME_HEADER = 16;

  private WebpDecoder() {}

  /**
   * Opened at the first WebP, since most programs never see one; without a library there is the
   * reason.
   */
  private record Library(@Nullable LibWebp webp, String missing) {
    static final Library SYSTEM = open();

    private static Library open() {
      try {
        return new Library(LibWebp.load(), "");
      } catch (LibraryException e) {
        return new Library(null, String.valueOf(e.getMessage()));
      }
    }
  }

  /**
   * Where the compressed pixels are, and where on which canvas they belong; 0 x 0 is a canvas of
   * their own size.
   */
  private record Frame(int offset, int length, int left, int top, int width, int height) {}

  static Decoded decode(byte[] data, Limit limit) throws UndecodableException {
    LibWebp webp = Library.SYSTEM.webp();
    if (webp == null) {
      throw new UndecodableException(
          "it takes the system's libwebp to decode it, which is not there; install it (Debian, Ubuntu: apt install libwebp7;"
              + " Fedora, RHEL: dnf install libwebp) or convert the picture to PNG. "
              + Library.SYSTEM.missing());
    }
    ByteBuffer in = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN).position(RIFF_HEADER);
    Frame frame = null;
    Orientation orientation = Orientation.UPRIGHT;
    int canvasWidth = 0;
    int canvasHeight = 0;
    while (in.remaining() >= 8) {
      String type = type(in);
      int length = in.getInt();
      int body = in.position();
      if (length < 0 || length > in.remaining()) {
        if (frame != null) {
          break; // the pixels are whole, and a damaged end spoils nothing
        }
        throw new UndecodableException(
            "the file is cut off in the chunk at byte %d; get it again".formatted(body - 8));
      }
      if (type.equals("VP8X") && length >= 10) {
        canvasWidth = 1 + u24(data, body + 4);
        canvasHeight = 1 + u24(data, body + 7);
        limit.check(canvasWidth, canvasHeight);
      } else if (frame == null && isPixels(type)) {
        frame = new Frame(body, length, 0, 0, 0, 0);
      } else if (frame == null && type.equals("ANMF") && length >= FRAME_HEADER) {
        frame = firstFrame(data, body, body + length, canvasWidth, canvasHeight);
      } else if (type.equals("EXIF")) {
        orientation = Exif.orientation(data, body, body + length);
      }
      in.position(Math.min(body + length + (length & 1), data.length));
    }
    if (frame == null) {
      throw new UndecodableException(
          "it has no pixels; the file is cut off or damaged, get it again");
    }
    return new Decoded(picture(webp, data, frame, limit), orientation);
  }

  private static Picture picture(LibWebp webp, byte[] data, Frame frame, Limit limit)
      throws UndecodableException {
    LibWebp.Size size =
        webp.size(data, frame.offset(), frame.length())
            .orElseThrow(() ->
                new UndecodableException(
                    "its pixels have no valid header; the file is damaged, get it again"));
    limit.check(size.width(), size.height());
    byte[] rgb =
        webp.decodeRgb(data, frame.offset(), frame.length(), size)
            .orElseThrow(
                () -> new UndecodableException("the file is cut off or damaged; get it again"));
    if (frame.width() == 0 || (frame.width() == size.width() && frame.height() == size.height())) {
      return new Picture(size.width(), size.height(), rgb);
    }
    if (frame.left() + size.width() > frame.width()
        || frame.top() + size.height() > frame.height()) {
      throw new UndecodableException(
          "its first frame does not lie on its canvas; the file is damaged");
    }
    byte[] canvas = new byte[3 * frame.width() * frame.height()];
    for (int y = 0; y < size.height(); y++) {
      int to = 3 * (frame.left() + (frame.top() + y) * frame.width());
      System.arraycopy(rgb, 3 * size.width() * y, canvas, to, 3 * size.width());
    }
    return new Picture(frame.width(), frame.height(), canvas);
  }

  private static Frame firstFrame(byte[] data, int body, int end, int canvasWidth, int canvasHeight)
      throws UndecodableException {
    ByteBuffer in =
        ByteBuffer.wrap(data, 0, end).order(ByteOrder.LITTLE_ENDIAN).position(body + FRAME_HEADER);
    while (in.remaining() >= 8) {
      String type = type(in);
      int length = in.getInt();
      if (length < 0 || length > in.remaining()) {
        break;
      }
      if (isPixels(type)) {
        return new Frame(
            in.position(),
            length,
            2 * u24(data, body),
            2 * u24(data, body + 3),
            canvasWidth,
            canvasHeight);
      }
      in.position(Math.min(in.position() + length + (length & 1), end));
    }
    throw new UndecodableException("its first frame has no pixels; the file is damaged");
  }

  private static boolean isPixels(String type) {
    return type.equals("VP8 ") || type.equals("VP8L");
  }

  private static String type(ByteBuffer in) {
    byte[] type = new byte[4];
    in.get(type);
    return new String(type, StandardCharsets.ISO_8859_1);
  }

  private static int u24(byte[] data, int at) {
    return (data[at] & 0xFF) | (data[at + 1] & 0xFF) << 8 | (data[at + 2] & 0xFF) << 16;
  }
}
