package dev.shortcut.bindings.cudnn;

import java.util.List;

/**
 * What using an engine entails ({@code cudnnBackendBehaviorNote_t}). A newer cuDNN may have others,
 * which are kept as numbers.
 *
 * @param code cuDNN's number
 */
public record BehaviorNote(int code) {
  /** Making a plan compiles a kernel, which takes about a second. */
  public static final BehaviorNote RUNTIME_COMPILATION = new BehaviorNote(0);

  public static final BehaviorNote REQUIRES_FILTER_INT8X32_REORDER = new BehaviorNote(1);
  public static final BehaviorNote REQUIRES_BIAS_INT8X32_REORDER = new BehaviorNote(2);
  public static final BehaviorNote SUPPORTS_CUDA_GRAPH_NATIVE_API = new BehaviorNote(3);

  /** It calls cuBLASLt. */
  public static final BehaviorNote CUBLASLT_DEPENDENCY = new BehaviorNote(4);

  static final List<String> NAMES =
      List.of(
          "RUNTIME_COMPILATION",
          "REQUIRES_FILTER_INT8X32_REORDER",
          "REQUIRES_BIAS_INT8X32_REORDER",
          "SUPPORTS_CUDA_GRAPH_NATIVE_API",
          "CUBLASLT_DEPENDENCY");

  /** cuDNN's name without its prefix, or {@code note N}. */
  @Override
  public String toString() {
    return code >= 0 && code < NAMES.size() ? NAMES.get(code) : "note " + code;
  }
}
