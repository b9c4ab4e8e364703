package dev.shortcut.engine.backend;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.CudaDevice;
import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.engine.DeviceChoice;
import dev.shortcut.engine.DeviceUnavailableException;
import dev.shortcut.engine.Precision;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * A device that a model runs on, and the context to run in.
 *
 * @param device which one
 * @param foreignContext the caller's {@code CUcontext}; 0 for the device's primary one
 */
public record DeviceTarget(CudaDevice device, long foreignContext) {
  /** The major compute capability from which on there is bf16. */
  private static final int AMPERE = 8;

  /**
   * The devices that the options mean.
   *
   * @throws DeviceUnavailableException if there are none, listing those that there are
   */
  public static List<DeviceTarget> choose(Cuda cuda, DeviceChoice choice) {
    List<CudaDevice> devices = cuda.devices();
    if (devices.isEmpty()) {
      throw new DeviceUnavailableException(
          "CUDA sees no GPU; look at nvidia-smi -L and at CUDA_VISIBLE_DEVICES");
    }
    return switch (choice) {
      case DeviceChoice.First _ -> List.of(new DeviceTarget(devices.getFirst(), 0));
      case DeviceChoice.All _ ->
          devices.stream().map(device -> new DeviceTarget(device, 0)).toList();
      case DeviceChoice.Named named -> {
        Set<CudaDevice> chosen = new LinkedHashSet<>();
        for (String name : named.names()) {
          if (!chosen.add(named(devices, name))) {
            throw new DeviceUnavailableException(
                "device %s is named twice in %s".formatted(name, named.names()));
          }
        }
        yield chosen.stream().map(device -> new DeviceTarget(device, 0)).toList();
      }
      case DeviceChoice.Context context -> List.of(foreign(cuda, context.handle()));
      case DeviceChoice.CurrentContext _ -> {
        long current = cuda.currentContext();
        if (current == 0) {
          throw new DeviceUnavailableException(
              "no CUDA context is current on this thread; make one current, or name a device");
        }
        yield List.of(foreign(cuda, current));
      }
    };
  }

  private static CudaDevice named(List<CudaDevice> devices, String name) {
    List<CudaDevice> found = new ArrayList<>();
    for (CudaDevice device : devices) {
      if (name.equals(Integer.toString(device.ordinal()))
          || device.uuid().toLowerCase(Locale.ROOT).startsWith(name.toLowerCase(Locale.ROOT))) {
        found.add(device);
      }
    }
    if (found.size() != 1) {
      throw new DeviceUnavailableException(
          "%s is %s; there are %s"
              .formatted(
                  name,
                  found.isEmpty() ? "no device here" : "the beginning of several devices' names",
                  devices.stream()
                      .map(device ->
                          "%d: %s (%s)".formatted(device.ordinal(), device.uuid(), device.name()))
                      .collect(Collectors.joining(", "))));
    }
    return found.getFirst();
  }

  private static DeviceTarget foreign(Cuda cuda, long handle) {
    Context context = cuda.borrow(handle);
    try {
      context.push();
      try {
        return new DeviceTarget(cuda.currentDevice(), handle);
      } finally {
        context.pop();
      }
    } catch (CudaException e) {
      throw new DeviceUnavailableException(
          "0x%x cannot be used as a CUDA context: %s".formatted(handle, e.getMessage()), e);
    }
  }

  /** Why one of the devices has no instructions for bf16, if that is so. */
  public static Optional<String> withoutBfloat16(List<DeviceTarget> targets) {
    return targets.stream()
        .map(DeviceTarget::device)
        .filter(device -> device.computeCapability().major() < AMPERE)
        .findFirst()
        .map(device ->
            "bf16 needs a GPU of compute capability 8.0 (A100) or later, and %s has %s"
                .formatted(device.name(), device.computeCapability()));
  }

  /** Why no GPU computes in int8 or fp8 yet. */
  public static String withoutScales(Precision precision) {
    return "%s needs a scale for each activation, measured on sample images, and this version cannot measure them (calibrate); on GPUs it computes in fp32, tf32, fp16 and bf16"
        .formatted(precision);
  }

  /** The context; closing it gives a primary one back. */
  public Context open(Cuda cuda) {
    return foreignContext == 0 ? device.retainPrimary() : cuda.borrow(foreignContext);
  }
}
