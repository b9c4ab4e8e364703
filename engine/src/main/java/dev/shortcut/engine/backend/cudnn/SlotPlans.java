package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cublas.MatmulPlan;
import dev.shortcut.bindings.cudnn.CudnnException;
import dev.shortcut.bindings.cudnn.CudnnHandle;
import dev.shortcut.bindings.cudnn.CudnnStatus;
import dev.shortcut.bindings.cudnn.ExecutionPlan;
import dev.shortcut.bindings.cudnn.LegacyConvolutionPlan;
import dev.shortcut.bindings.library.Closer;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Plans made ready for one slot. A cuDNN handle and what belongs to it is used by one thread at a
 * time, and so is a matrix product, so that each slot has its own; within a slot equal kernels
 * share a plan.
 */
final class SlotPlans {
  private static final Logger LOG = System.getLogger(SlotPlans.class.getName());

  /** cuDNN's statuses of one kind have the same thousands. */
  private static final int CATEGORY = 1000;

  private final CudnnDevice device;
  private final CudnnHandle handle;
  private final Closer owner;
  private final Map<CudnnKernel, ExecutionPlan> plans = new HashMap<>();
  private final Map<CudnnKernel.Convolution, LegacyConvolutionPlan> legacy = new HashMap<>();
  private final Map<MatrixProduct, MatmulPlan> products = new HashMap<>();
  private int straight;

  SlotPlans(CudnnDevice device, CudnnHandle handle, Closer owner) {
    this.device = device;
    this.handle = handle;
    this.owner = owner;
  }

  /** The handle that the plans belong to. */
  CudnnHandle handle() {
    return handle;
  }

  /** The plan for a kernel, made ready for the slot's handle. */
  ExecutionPlan plan(CudnnKernel kernel, Plan plan) {
    return plans.computeIfAbsent(
        kernel,
        _ ->
            ready(
                device,
                kernel,
                plan,
                handle,
                owner,
                // The first of a slot stands for all: there are dozens.
                refusal ->
                    LOG.log(
                        straight++ == 0 ? Level.WARNING : Level.DEBUG,
                        "{0}: cuDNN refuses its own plan of {1}, so that such plans are built for this device once more: {2}",
                        device.name(),
                        kernel,
                        refusal.getMessage())));
  }

  /**
   * A plan made ready for a handle: restored from its text; where cuDNN does not take that back,
   * built for the handle.
   *
   * @param owner gets whatever the plan needs
   * @param log is told why cuDNN does not take it back
   */
  static ExecutionPlan ready(
      CudnnDevice device,
      CudnnKernel kernel,
      Plan plan,
      CudnnHandle handle,
      Closer owner,
      Consumer<CudnnException> log) {
    try {
      return ExecutionPlan.fromJson(device.cudnn(), owner, plan.json(), handle);
    } catch (CudnnException e) {
      if (!isAboutThePlan(e)) {
        throw e;
      }
      log.accept(e);
      return device.straight(kernel, plan, handle, owner).orElseThrow(() -> e);
    }
  }

  /** Whether another plan may be accepted: cuDNN has looked at this one and does not want it. */
  private static boolean isAboutThePlan(CudnnException e) {
    int code = e.code();
    return code == CudnnStatus.SUBLIBRARY_VERSION_MISMATCH.code()
        || code == CudnnStatus.SERIALIZATION_VERSION_MISMATCH.code()
        || code / CATEGORY == CudnnStatus.BAD_PARAM.code() / CATEGORY
        || code / CATEGORY == CudnnStatus.NOT_SUPPORTED.code() / CATEGORY;
  }

  /** The call from before the graph API for a convolution. */
  LegacyConvolutionPlan legacy(CudnnKernel.Convolution kernel) {
    return legacy.computeIfAbsent(
        kernel, _ -> LegacyConvolutions.plan(device.cudnn(), owner, kernel));
  }

  /** The plan for a matrix product. */
  MatmulPlan product(MatrixProduct product) {
    return products.computeIfAbsent(
        product, _ -> owner.own(device.choose(product).plan(device.blas(), product)));
  }
}
