package dev.shortcut.bindings.nvidia;

/** CUDA's versions as its libraries count them: {@code major * 1000 + minor * 10}. */
final class CudaVersion {
  private CudaVersion() {}

  /** The generation, 12 for 12090. */
  static int major(long version) {
    return Math.toIntExact(version / 1000);
  }

  /** As people write it, {@code 12.9} for 12090. */
  static String text(long version) {
    return "%d.%d".formatted(version / 1000, version % 1000 / 10);
  }
}
