package dev.shortcut.bindings.cudnn;

import dev.shortcut.bindings.library.Closer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Operations that are to run as one. */
public final class OperationGraph {
  private final Descriptor descriptor;

  private OperationGraph(Descriptor descriptor) {
    this.descriptor = descriptor;
  }

  /**
   * Joins operations through the tensors that they share.
   *
   * @param handle for plans of the handle's device; null for plans of a device that is described
   * @throws CudnnException if cuDNN refuses it, for instance because of two convolutions
   */
  public static OperationGraph of(
      Cudnn cudnn, Closer owner, List<Operation> operations, @Nullable CudnnHandle handle) {
    Descriptor descriptor =
        Descriptor.create(cudnn, owner, CudnnConstants.BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    if (handle != null) {
      descriptor.setHandle(CudnnConstants.ATTR_OPERATIONGRAPH_HANDLE, handle);
    }
    return new OperationGraph(
        descriptor
            .setDescriptors(
                CudnnConstants.ATTR_OPERATIONGRAPH_OPS,
                operations.stream().map(Operation::descriptor).toArray(Descriptor[]::new))
            .complete());
  }

  /** How many engines cuDNN knows for graphs like this one, usable on the device or not. */
  public long engineCount() {
    return descriptor.getLong(CudnnConstants.ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT);
  }

  Descriptor descriptor() {
    return descriptor;
  }
}
