package dev.shortcut.bindings.cudnn;

import dev.shortcut.bindings.library.Closer;

/** The memory that a plan is executed on: a pointer for each tensor that is not virtual. */
public final class VariantPack {
  private final Descriptor descriptor;

  private VariantPack(Descriptor descriptor) {
    this.descriptor = descriptor;
  }

  /**
   * Binds tensors to memory. cuDNN does not check the pointers.
   *
   * @param uids the tensors
   * @param addresses where in device memory each lies, in the order of {@code uids}, aligned as was
   *     promised
   * @param workspace at least as many bytes as the plan asks for; 0 where it asks for none
   * @throws IllegalArgumentException if there are not as many addresses as tensors
   * @throws CudnnException if cuDNN refuses it
   */
  public static VariantPack of(
      Cudnn cudnn, Closer owner, long[] uids, long[] addresses, long workspace) {
    if (uids.length != addresses.length) {
      throw new IllegalArgumentException(
          "%d tensors and %d addresses".formatted(uids.length, addresses.length));
    }
    return new VariantPack(
        Descriptor.create(cudnn, owner, CudnnConstants.BACKEND_VARIANT_PACK_DESCRIPTOR)
            .setAddresses(CudnnConstants.ATTR_VARIANT_PACK_DATA_POINTERS, addresses)
            .setLongs(CudnnConstants.ATTR_VARIANT_PACK_UNIQUE_IDS, uids)
            .setAddresses(CudnnConstants.ATTR_VARIANT_PACK_WORKSPACE, workspace)
            .complete());
  }

  Descriptor descriptor() {
    return descriptor;
  }
}
