package dev.shortcut.bindings.cuda;

/**
 * The generation of a GPU's processors.
 *
 * @param major 9 for Hopper
 * @param minor 0 for Hopper
 */
public record ComputeCapability(int major, int minor) implements Comparable<ComputeCapability> {
  /** The number that the compiler uses: 90 for 9.0. */
  public int number() {
    return 10 * major + minor;
  }

  /** The compiler's name for its machine code: {@code sm_90}. */
  public String architecture() {
    return "sm_" + number();
  }

  @Override
  public int compareTo(ComputeCapability other) {
    return Integer.compare(number(), other.number());
  }

  /** As NVIDIA writes it: {@code 9.0}. */
  @Override
  public String toString() {
    return major + "." + minor;
  }
}
