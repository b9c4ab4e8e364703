package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cudnn.Cudnn;
import dev.shortcut.bindings.cudnn.CudnnException;
import dev.shortcut.bindings.cudnn.CudnnHandle;
import dev.shortcut.bindings.cudnn.LegacyConvolution;
import dev.shortcut.bindings.cudnn.LegacyConvolutionPlan;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.engine.backend.cudnn.CudnnKernel.Stage;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * Asks what cuDNN's call from before the graph API can do on one device, whose context must be
 * current: other than the graph API it wants the device to be there. Equal convolutions are asked
 * about once. Not thread-safe.
 */
final class LegacyConvolutions {
  private final Cudnn cudnn;
  private final CudnnHandle handle;
  private final Map<CudnnKernel.Convolution, Answer> answers = new HashMap<>();

  LegacyConvolutions(Cudnn cudnn, CudnnHandle handle) {
    this.cudnn = cudnn;
    this.handle = handle;
  }

  /** What is known of a convolution. */
  sealed interface Answer {}

  /**
   * The call computes it.
   *
   * @param workspaceBytes scratch space that it needs
   * @param description for people
   */
  record Offered(long workspaceBytes, String description) implements Answer {}

  /**
   * The call does not.
   *
   * @param kernel what was wanted
   * @param reason why not
   */
  record Refused(CudnnKernel kernel, String reason) implements Answer {
    @Override
    public String toString() {
      return "%s by cuDNN's call from before the graph API: %s".formatted(kernel, reason);
    }
  }

  /** Nothing, since the device is not there. */
  record Unknown() implements Answer {}

  /** Whether the call computes a convolution whose bias, if it has none, is zeros. */
  Answer ask(CudnnKernel.Convolution kernel) {
    Answer answer = answers.get(kernel);
    if (answer == null) {
      answer = answer(kernel);
      answers.put(kernel, answer);
    }
    return answer;
  }

  private Answer answer(CudnnKernel.Convolution kernel) {
    try (var owner = new Closer()) {
      long bytes = plan(cudnn, owner, kernel).workspaceBytes(handle);
      return bytes > Planner.WORKSPACE_LIMIT
          ? new Refused(
              kernel,
              String.format(
                  Locale.ROOT,
                  "wants %,d bytes of scratch space, and %,d are allowed",
                  bytes,
                  Planner.WORKSPACE_LIMIT))
          : new Offered(
              bytes,
              "cudnnConvolutionBiasActivationForward IMPLICIT_PRECOMP_GEMM [%s]"
                  .formatted(kernel.arithmetic().tensorCores() ? "TENSOR_OP_MATH" : "FMA_MATH"));
    } catch (CudnnException | LibraryException e) {
      return new Refused(kernel, String.valueOf(e.getMessage()));
    }
  }

  /** The call made ready for whatever handle of the device. */
  static LegacyConvolutionPlan plan(Cudnn cudnn, Closer owner, CudnnKernel.Convolution kernel) {
    Arithmetic arithmetic = kernel.arithmetic();
    return LegacyConvolutionPlan.of(
        cudnn,
        owner,
        new LegacyConvolution(
            arithmetic.type(),
            arithmetic.tensorCores(),
            kernel.batch(),
            kernel.x().channels(),
            kernel.x().height(),
            kernel.x().width(),
            kernel.y().channels(),
            kernel.kernel(),
            kernel.stride(),
            kernel.padding(),
            kernel.dilation(),
            kernel.groups(),
            kernel.stages().contains(Stage.SHORTCUT),
            kernel.stages().contains(Stage.RELU)));
  }
}
