package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cublas.CublasLt;
import dev.shortcut.bindings.cudnn.Cudnn;
import dev.shortcut.bindings.cudnn.DeviceProperties;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * What a choice was made for. Plans of one family, which differ only in {@code device}, are made by
 * the same engines, so that engine and settings of one serve the other; a plan itself serves only
 * where the whole key is the same, and so does everything else that is kept.
 *
 * @param kernel what is computed, all that is told the library of it
 * @param library the one that was asked, with its version, whose engines or rankings are its own:
 *     {@code cudnn92000} or {@code cublaslt120901}
 * @param architecture the device's, as cuDNN writes it
 * @param device the other fields that cuDNN compares before it restores a plan
 */
record PlanKey(String kernel, String library, long architecture, Map<String, Long> device) {
  /**
   * The format of what is kept, and the way in which graphs are made of kernels ({@link
   * CudnnGraphs}), suggestions are asked for and described ({@link Products}) and refusals are
   * believed ({@link Planner}): a change of any is another format.
   */
  static final int FORMAT = 3;

  /** How the names of files with plans end. */
  static final String SUFFIX = ".plan";

  private static final String ARCHITECTURE = "deviceVer";
  private static final int KERNEL_DIGITS = 32;
  private static final int DEVICE_DIGITS = 16;

  /** Copies the map, in the order of its keys. */
  PlanKey {
    device = new TreeMap<>(device);
  }

  /**
   * The key of a kernel on a device.
   *
   * @param compared the device's fields, as {@link DeviceProperties#compared} gives them
   */
  static PlanKey of(CudnnKernel kernel, Cudnn cudnn, Map<String, Long> compared) {
    return of(text(kernel), "cudnn" + cudnn.version(), compared);
  }

  /**
   * The key of a matrix product on a device.
   *
   * @param compared the device's fields, as {@link DeviceProperties#compared} gives them
   */
  static PlanKey of(MatrixProduct product, CublasLt cublasLt, Map<String, Long> compared) {
    return of(text(product), "cublaslt" + cublasLt.version(), compared);
  }

  private static PlanKey of(String text, String library, Map<String, Long> compared) {
    Map<String, Long> device = new TreeMap<>(compared);
    Long architecture = device.remove(ARCHITECTURE);
    if (architecture == null) {
      throw new IllegalStateException("a device without " + ARCHITECTURE + ": " + device);
    }
    return new PlanKey(text, library, architecture, device);
  }

  /** All numbers of a kernel, each with its name. */
  private static String text(CudnnKernel kernel) {
    String common =
        "%s batch=%d x=%s y=%s"
            .formatted(kernel.arithmetic().name(), kernel.batch(), kernel.x(), kernel.y());
    return switch (kernel) {
      case CudnnKernel.Convolution c ->
          "convolution %s kernel=%d stride=%d padding=%d dilation=%d groups=%d stages=%s"
              .formatted(
                  common,
                  c.kernel(),
                  c.stride(),
                  c.padding(),
                  c.dilation(),
                  c.groups(),
                  c.stages().stream().map(Enum::name).collect(Collectors.joining(",")));
      case CudnnKernel.Pooling p ->
          "pooling %s mean=%b window=%dx%d stride=%dx%d padding=%d"
              .formatted(
                  common,
                  p.mean(),
                  p.windowHeight(),
                  p.windowWidth(),
                  p.strideHeight(),
                  p.strideWidth(),
                  p.padding());
    };
  }

  /** All numbers of a matrix product, and the bound that suggestions are asked for with. */
  private static String text(MatrixProduct product) {
    return "product %s rows=%d columns=%d depth=%d relu=%b workspace=%d"
        .formatted(
            product.arithmetic().name(),
            product.rows(),
            product.columns(),
            product.depth(),
            product.relu(),
            Planner.WORKSPACE_LIMIT);
  }

  /** The beginning of the names of all plans for the kernel, whoever made them. */
  String kernelPrefix() {
    return hash(kernel, KERNEL_DIGITS) + "-";
  }

  /** The beginning of the names of the family's plans. */
  String familyPrefix() {
    return "%sf%d-%s%s".formatted(kernelPrefix(), FORMAT, library, architecturePart());
  }

  private String architecturePart() {
    return "-sm%d-".formatted(architecture);
  }

  /** Whether a file's name is that of a plan for the same architecture, whoever made it. */
  boolean isForArchitecture(String fileName) {
    return fileName.contains(architecturePart());
  }

  /** The name of its own plan's file. */
  String fileName() {
    return familyPrefix() + hash(device.toString(), DEVICE_DIGITS) + SUFFIX;
  }

  /** Whether engines and settings of the one serve the other. */
  boolean isOfFamily(PlanKey other) {
    return kernel.equals(other.kernel)
        && library.equals(other.library)
        && architecture == other.architecture;
  }

  /** In what this device differs from another key's, such as {@code driverVer 13000, not 12090}. */
  List<String> differences(PlanKey other) {
    return device.entrySet().stream()
        .filter(entry -> !entry.getValue().equals(other.device.get(entry.getKey())))
        .map(entry ->
            "%s %d, not %s"
                .formatted(entry.getKey(), entry.getValue(), other.device.get(entry.getKey())))
        .toList();
  }

  private static String hash(String text, int digits) {
    byte[] digest = sha256().digest(text.getBytes(StandardCharsets.UTF_8));
    return HexFormat.of().formatHex(digest, 0, digits / 2);
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
