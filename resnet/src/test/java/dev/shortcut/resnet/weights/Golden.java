package dev.shortcut.resnet.weights;

import dev.shortcut.resnet.Architecture;
import dev.shortcut.resnet.Shortcut;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** What src/test/python/golden.py stored. */
public final class Golden {
  /** The seed of weights and images. */
  public static final long SEED = 7;

  private Golden() {}

  /** The network that golden.py calls so: one of the family, and perhaps its shortcuts' kind. */
  public static Architecture architecture(String name) {
    int dash = name.indexOf('-');
    if (dash < 0 || name.endsWith("-v1")) {
      return Architecture.parse(name);
    }
    return Architecture.parse(name.substring(0, dash))
        .withShortcut(Shortcut.valueOf(name.substring(dash + 1)));
  }

  /** Square images in [-2, 2) of three channels, NCHW; image i is the stream input{i}. */
  public static float[] images(int count, int size) {
    int elements = 3 * size * size;
    float[] images = new float[count * elements];
    for (int i = 0; i < count; i++) {
      var random = new SplitMix64(SEED, "input" + i);
      for (int j = 0; j < elements; j++) {
        images[i * elements + j] = (float) ((2 * random.uniform() - 1) * 2);
      }
    }
    return images;
  }

  /** Stored floats. */
  public static float[] floats(String name) {
    byte[] bytes = bytes(name + ".f32");
    float[] values = new float[bytes.length / Float.BYTES];
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
    return values;
  }

  /** Stored text. */
  public static String text(String name) {
    return new String(bytes(name), StandardCharsets.UTF_8);
  }

  private static byte[] bytes(String name) {
    try (InputStream in = Golden.class.getResourceAsStream("/dev/shortcut/resnet/golden/" + name)) {
      if (in == null) {
        throw new AssertionError("golden.py has stored no " + name);
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
