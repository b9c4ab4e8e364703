package dev.shortcut.bindings.cudnn;

import dev.shortcut.bindings.library.Closer;
import org.jspecify.annotations.Nullable;

/** A graph made ready to run, for one kind of device. */
public final class ExecutionPlan {
  private final Descriptor descriptor;
  private final long workspaceBytes;

  private ExecutionPlan(Descriptor descriptor) {
    this.descriptor = descriptor;
    this.workspaceBytes = descriptor.getLong(CudnnConstants.ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
  }

  /**
   * Makes a plan, which compiles where the engine says so.
   *
   * @param config must live as long as the plan
   * @param handle null where the graph was made without one
   * @throws CudnnException with {@link CudnnException#notSupported} where the engine turns out not
   *     to do it
   */
  public static ExecutionPlan of(
      Cudnn cudnn, Closer owner, EngineConfig config, @Nullable CudnnHandle handle) {
    Descriptor descriptor =
        Descriptor.create(cudnn, owner, CudnnConstants.BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    if (handle != null) {
      descriptor.setHandle(CudnnConstants.ATTR_EXECUTION_PLAN_HANDLE, handle);
    }
    return new ExecutionPlan(
        descriptor
            .setDescriptors(CudnnConstants.ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config.descriptor())
            .complete());
  }

  /**
   * Restores a plan for the handle's device.
   *
   * @param json what {@link #json} gave
   * @throws CudnnException if it was made for another device ({@link
   *     CudnnStatus#NOT_SUPPORTED_ARCH_MISMATCH}), by another cuDNN ({@link
   *     CudnnStatus#SUBLIBRARY_VERSION_MISMATCH}), or is no plan
   */
  public static ExecutionPlan fromJson(Cudnn cudnn, Closer owner, String json, CudnnHandle handle) {
    return new ExecutionPlan(
        restoring(cudnn, owner, json)
            .setHandle(CudnnConstants.ATTR_EXECUTION_PLAN_HANDLE, handle)
            .complete());
  }

  /**
   * Restores a plan for a device that is described; it can be looked at and not executed.
   *
   * @param json what {@link #json} gave
   * @throws CudnnException as {@link #fromJson(Cudnn, Closer, String, CudnnHandle)}
   */
  public static ExecutionPlan fromJson(
      Cudnn cudnn, Closer owner, String json, DeviceProperties properties) {
    return new ExecutionPlan(
        restoring(cudnn, owner, json)
            .setDescriptors(CudnnConstants.ATTR_EXECUTION_PLAN_DEVICEPROP, properties.descriptor())
            .complete());
  }

  /** Bytes of device memory that each execution scribbles on; may be 0. */
  public long workspaceBytes() {
    return workspaceBytes;
  }

  /** cuDNN's text form: 3 kB, or 80 to 250 kB where a compiled kernel lies inside. */
  public String json() {
    return descriptor.getText(CudnnConstants.ATTR_EXECUTION_PLAN_JSON_REPRESENTATION);
  }

  Descriptor descriptor() {
    return descriptor;
  }

  private static Descriptor restoring(Cudnn cudnn, Closer owner, String json) {
    return Descriptor.create(cudnn, owner, CudnnConstants.BACKEND_EXECUTION_PLAN_DESCRIPTOR)
        .setText(CudnnConstants.ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, json);
  }
}
