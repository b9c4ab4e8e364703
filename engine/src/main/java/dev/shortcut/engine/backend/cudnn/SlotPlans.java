package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cublas.MatmulPlan;
import dev.shortcut.bindings.cudnn.CudnnHandle;
import dev.shortcut.bindings.cudnn.ExecutionPlan;
import dev.shortcut.bindings.library.Closer;
import java.util.HashMap;
import java.util.Map;

/**
 * Plans made ready for one slot. A cuDNN handle and what belongs to it is used by one thread at a
 * time, and so is a matrix product, so that each slot has its own; within a slot equal kernels
 * share a plan.
 */
final class SlotPlans {
  private final CudnnDevice device;
  private final CudnnHandle handle;
  private final Closer owner;
  private final Map<CudnnKernel, ExecutionPlan> plans = new HashMap<>();
  private final Map<MatrixProduct, MatmulPlan> products = new HashMap<>();

  SlotPlans(CudnnDevice device, CudnnHandle handle, Closer owner) {
    this.device = device;
    this.handle = handle;
    this.owner = owner;
  }

  /** The handle that the plans belong to. */
  CudnnHandle handle() {
    return handle;
  }

  /** The plan for a kernel, restored from its text. */
  ExecutionPlan plan(CudnnKernel kernel, Plan plan) {
    return plans.computeIfAbsent(
        kernel, _ -> ExecutionPlan.fromJson(device.cudnn(), owner, plan.json(), handle));
  }

  /** The plan for a matrix product. */
  MatmulPlan product(MatrixProduct product) {
    return products.computeIfAbsent(
        product,
        _ ->
            owner.own(
                MatmulPlan.of(
                    device.blas(), product.matmul(), device.choose(product).workspaceBytes())));
  }
}
