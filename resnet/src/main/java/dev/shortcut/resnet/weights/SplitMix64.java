package dev.shortcut.resnet.weights;

import java.nio.charset.StandardCharsets;

/**
 * Steele, Lea and Flood's SplitMix64 (OOPSLA 2014), one stream for each name: simple enough for
 * every language to agree on every bit.
 */
final class SplitMix64 {
  private static final long FNV_OFFSET = 0xcbf29ce484222325L;
  private static final long FNV_PRIME = 0x100000001b3L;
  private static final double ULP_24 = 0x1p-24;

  private long state;

  /** The stream that begins at {@code seed ^ fnv1a64(UTF-8 of name)}. */
  SplitMix64(long seed, String name) {
    long hash = FNV_OFFSET;
    for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
      hash = (hash ^ Byte.toUnsignedLong(b)) * FNV_PRIME;
    }
    state = seed ^ hash;
  }

  /** The next 64 bits. */
  long next() {
    state += 0x9e3779b97f4a7c15L;
    long z = state;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }

  /** The next multiple of 2^-24 in [0, 1): exact in a float. */
  double uniform() {
    return (next() >>> 40) * ULP_24;
  }
}
