package dev.shortcut.resnet.image;

/**
 * What a JPEG's marker segments say (ITU-T T.81, annex B), read before its pixels are.
 *
 * @param verticallyHalved by component: half as many rows as the others, but as many columns
 * @param luminanceAndChrominance whether the first three components are YCbCr and not RGB or CMY
 */
record JpegHeader(
    int width,
    int height,
    int components,
    boolean[] verticallyHalved,
    boolean luminanceAndChrominance,
    Orientation orientation) {
  private static final int SOF0 = 0xC0;
  private static final int SOF2 = 0xC2;
  private static final int SOF15 = 0xCF;
  private static final int DHT = 0xC4;
  private static final int JPG = 0xC8;
  private static final int DAC = 0xCC;
  private static final int RST0 = 0xD0;
  private static final int EOI = 0xD9;
  private static final int SOS = 0xDA;
  private static final int APP0 = 0xE0;
  private static final int APP1 = 0xE1;
  private static final int APP14 = 0xEE;
  private static final int TEM = 0x01;

  /**
   * A progressive picture has ten scans or so; each costs a pass over all its coefficients and a
   * hostile file's ten bytes.
   */
  private static final int MOST_SCANS = 500;

  static JpegHeader read(byte[] data) throws UndecodableException {
    int frame = -1;
    boolean jfif = false;
    int adobeTransform = -1;
    int scans = 0;
    Orientation orientation = null;
    int at = 2;
    while (true) {
      at = nextMarker(data, at);
      if (at < 0) {
        break;
      }
      int marker = data[at - 1] & 0xFF;
      if (marker == EOI) {
        break;
      }
      if ((marker >= RST0 && marker < EOI) || marker == TEM) {
        continue; // these have no length
      }
      int length = at + 2 <= data.length ? u16(data, at) : 0;
      int end = at + length;
      if (length < 2 || end > data.length) {
        if (scans > 0) {
          break; // the pixels may be whole all the same; the reader finds out
        }
        throw new UndecodableException(
            "the file is cut off or damaged in its header; get it again");
      }
      int body = at + 2;
      if (marker >= SOF0 && marker <= SOF15 && marker != DHT && marker != JPG && marker != DAC) {
        if (frame >= 0) {
          throw new UndecodableException(
              "it has two frames; hierarchical JPEG is not supported, convert it to PNG");
        }
        frame = body;
        checkProcess(marker, data, body, end);
      } else if (marker == APP0 && begins(data, body, end, "JFIF\0") && length >= 16) {
        jfif = true;
      } else if (marker == APP1 && orientation == null && begins(data, body, end, "Exif\0\0")) {
        orientation = Exif.orientation(data, body, end);
      } else if (marker == APP14 && begins(data, body, end, "Adobe") && length >= 14) {
        adobeTransform = data[body + 11] & 0xFF;
      } else if (marker == SOS) {
        if (frame < 0) {
          throw new UndecodableException("its pixels come before its header; the file is damaged");
        }
        if (++scans > MOST_SCANS) {
          throw new UndecodableException(
              "it has more than %d scans, which no encoder writes; the file is taken for an attack"
                  .formatted(MOST_SCANS));
        }
      }
      at = end;
    }
    if (scans == 0) {
      throw new UndecodableException(
          "it ends before its pixels begin; the file is cut off, get it again");
    }
    int components = data[frame + 5] & 0xFF;
    return new JpegHeader(
        u16(data, frame + 3),
        u16(data, frame + 1),
        components,
        verticallyHalved(data, frame, components),
        luminanceAndChrominance(data, frame, components, jfif, adobeTransform),
        orientation == null ? Orientation.UPRIGHT : orientation);
  }

  /**
   * The position behind the next marker's two bytes, or -1; skips entropy-coded data and fill
   * bytes.
   */
  private static int nextMarker(byte[] data, int from) {
    for (int i = from; i + 1 < data.length; i++) {
      if (data[i] == (byte) 0xFF && data[i + 1] != 0 && data[i + 1] != (byte) 0xFF) {
        return i + 2;
      }
    }
    return -1;
  }

  private static void checkProcess(int marker, byte[] data, int body, int end)
      throws UndecodableException {
    if (end - body < 6 || end - body < 6 + 3 * (data[body + 5] & 0xFF)) {
      throw new UndecodableException("its frame header is too short; the file is damaged");
    }
    int bits = data[body];
    if (marker > SOF2) {
      String process =
          marker == 0xC9 || marker == 0xCA
              ? "arithmetic coding"
              : (marker & 3) == 3 ? "lossless coding" : "hierarchical coding";
      throw new UndecodableException(
          "it uses %s, which is not supported; convert it to PNG".formatted(process));
    }
    if (bits != 8) {
      throw new UndecodableException(
          "it has %d bits per sample instead of 8; convert it to PNG".formatted(bits));
    }
    int components = data[body + 5] & 0xFF;
    if (components != 1 && components != 3 && components != 4) {
      throw new UndecodableException(
          "it has %d components; only 1, 3 and 4 have a meaning".formatted(components));
    }
    if (u16(data, body + 1) == 0) {
      throw new UndecodableException(
          "its header leaves the height open (marker DNL); convert it to PNG");
    }
  }

  private static boolean[] verticallyHalved(byte[] data, int frame, int components) {
    int mostAcross = 0;
    int mostDown = 0;
    for (int c = 0; c < components; c++) {
      int sampling = data[frame + 7 + 3 * c];
      mostAcross = Math.max(mostAcross, (sampling >> 4) & 15);
      mostDown = Math.max(mostDown, sampling & 15);
    }
    boolean[] halved = new boolean[components];
    for (int c = 0; c < components; c++) {
      int sampling = data[frame + 7 + 3 * c];
      halved[c] = ((sampling >> 4) & 15) == mostAcross && 2 * (sampling & 15) == mostDown;
    }
    return halved;
  }

  /** libjpeg's rules ({@code default_decompress_parms} in jdapimin.c). */
  private static boolean luminanceAndChrominance(
      byte[] data, int frame, int components, boolean jfif, int adobeTransform) {
    if (components == 4) {
      return adobeTransform > 0;
    } else if (jfif) {
      return true;
    } else if (adobeTransform >= 0) {
      return adobeTransform != 0;
    }
    return components == 3
        && !(data[frame + 6] == 'R' && data[frame + 9] == 'G' && data[frame + 12] == 'B');
  }

  private static boolean begins(byte[] data, int from, int end, String text) {
    if (end - from < text.length()) {
      return false;
    }
    for (int i = 0; i < text.length(); i++) {
      if (data[from + i] != text.charAt(i)) {
        return false;
      }
    }
    return true;
  }

  private static int u16(byte[] data, int at) {
    return (data[at] & 0xFF) << 8 | (data[at + 1] & 0xFF);
  }
}
