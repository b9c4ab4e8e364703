package dev.shortcut.resnet.image;

import java.awt.image.BufferedImage;
import java.awt.image.Raster;
import java.io.IOException;
import java.util.Iterator;
import javax.imageio.ImageReader;
import javax.imageio.spi.IIORegistry;
import javax.imageio.spi.ImageReaderSpi;
import javax.imageio.stream.ImageInputStreamImpl;

/**
 * The JDK's own ImageIO readers, used for their samples only: colour conversion is ours, since
 * theirs differs from Pillow's (a grey sample seen through {@code getRGB} is off by up to 73).
 *
 * <p>They are taken by name: whichever plug-ins an application has on its class path, a file gives
 * the same pixels. Input comes from memory, so ImageIO's cache files are never made.
 */
enum PlatformReader {
  JPEG("com.sun.imageio.plugins.jpeg.JPEGImageReaderSpi"),
  PNG("com.sun.imageio.plugins.png.PNGImageReaderSpi"),
  GIF("com.sun.imageio.plugins.gif.GIFImageReaderSpi"),
  BMP("com.sun.imageio.plugins.bmp.BMPImageReaderSpi"),
  TIFF("com.sun.imageio.plugins.tiff.TIFFImageReaderSpi");

  private final ImageReaderSpi provider;

  PlatformReader(String className) {
    this.provider = provider(className);
  }

  /** The first picture's samples as the reader decodes them. */
  Raster read(byte[] data) throws UndecodableException {
    return read(data, data.length, false);
  }

  /** The first picture's samples as they are stored, with no conversion of colours (JPEG only). */
  Raster readStored(byte[] data) throws UndecodableException {
    return read(data, data.length, true);
  }

  /** The first {@code length} bytes' samples as the reader decodes them. */
  Raster read(byte[] data, int length) throws UndecodableException {
    return read(data, length, false);
  }

  private Raster read(byte[] data, int length, boolean stored) throws UndecodableException {
    Bytes input = new Bytes(data, length);
    ImageReader reader = null;
    try {
      reader = provider.createReaderInstance();
      reader.setInput(input, true, true);
      Raster raster;
      if (stored) {
        raster = reader.readRaster(0, null);
      } else {
        BufferedImage image = reader.read(0);
        raster = image.getRaster();
      }
      if (input.readPastEnd) {
        // libjpeg makes up the rest in grey and goes on; Pillow, and we, refuse.
        throw new UndecodableException("the file is cut off; get it again");
      }
      return raster;
    } catch (IOException | RuntimeException | StackOverflowError e) {
      // The readers answer damaged input with whatever happens to them, index and null pointer
      // exceptions included.
      throw new UndecodableException(
          "the file is %s; get it again (%s)"
              .formatted(input.readPastEnd ? "cut off" : "damaged", reason(e)),
          e);
    } finally {
      if (reader != null) {
        reader.dispose();
      }
    }
  }

  private static String reason(Throwable e) {
    Throwable root = e;
    while (root.getCause() != null && root.getCause() != root) {
      root = root.getCause();
    }
    String message = root.getMessage();
    return message == null || message.isBlank() ? root.getClass().getSimpleName() : message;
  }

  private static ImageReaderSpi provider(String className) {
    Iterator<ImageReaderSpi> all =
        IIORegistry.getDefaultInstance().getServiceProviders(ImageReaderSpi.class, false);
    while (all.hasNext()) {
      ImageReaderSpi candidate = all.next();
      if (candidate.getClass().getName().equals(className)) {
        return candidate;
      }
    }
    throw new IllegalStateException(
        "this Java runtime has no " + className + "; use a complete JDK 25 (module java.desktop)");
  }

  /** Bytes in memory as a stream that remembers whether more was asked for than there is. */
  private static final class Bytes extends ImageInputStreamImpl {
    private final byte[] data;
    private final int length;
    boolean readPastEnd;

    Bytes(byte[] data, int length) {
      this.data = data;
      this.length = length;
    }

    @Override
    public int read() {
      bitOffset = 0;
      if (streamPos >= length) {
        readPastEnd = true;
        return -1;
      }
      return data[(int) streamPos++] & 0xFF;
    }

    @Override
    public int read(byte[] to, int offset, int count) {
      bitOffset = 0;
      if (count == 0) {
        return 0;
      }
      if (streamPos >= length) {
        readPastEnd = true;
        return -1;
      }
      int n = (int) Math.min(count, length - streamPos);
      System.arraycopy(data, (int) streamPos, to, offset, n);
      streamPos += n;
      return n;
    }

    @Override
    public long length() {
      return length;
    }
  }
}
