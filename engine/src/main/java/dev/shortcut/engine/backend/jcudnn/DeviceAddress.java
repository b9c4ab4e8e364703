package dev.shortcut.engine.backend.jcudnn;

import jcuda.driver.CUdeviceptr;

/** A place in a device's memory, which JCuda calls take and whose number kernels are given. */
final class DeviceAddress extends CUdeviceptr {
  /** No place, until a call has put one here. */
  DeviceAddress() {}

  private DeviceAddress(DeviceAddress base, long bytes) {
    super(base, bytes);
  }

  /** The place that many bytes behind this one. */
  DeviceAddress plus(long bytes) {
    return new DeviceAddress(this, bytes);
  }

  /** Its number. */
  long value() {
    return getNativePointer() + getByteOffset();
  }
}
