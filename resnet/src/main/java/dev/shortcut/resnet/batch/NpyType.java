package dev.shortcut.resnet.batch;

/** The element types of {@code .npy} files that are read and written here. */
public enum NpyType {
  /** Unsigned bytes. */
  UINT8("|u1", 1),
  /** Little-endian single precision. */
  FLOAT32("<f4", 4);

  private final String descr;
  private final int bytes;

  NpyType(String descr, int bytes) {
    this.descr = descr;
    this.bytes = bytes;
  }

  /** NumPy's name of the type, as it stands in a file's header. */
  public String descr() {
    return descr;
  }

  /** Bytes of one element. */
  public int bytes() {
    return bytes;
  }
}
