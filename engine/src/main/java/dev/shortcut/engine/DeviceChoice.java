package dev.shortcut.engine;

import java.util.List;
import java.util.regex.Pattern;

/** Which GPUs, or which CUDA context of the caller's, an engine runs on. */
public sealed interface DeviceChoice {
  /** The first one that CUDA numbers; for a backend of the CPU, the CPU. */
  record First() implements DeviceChoice {
    @Override
    public String toString() {
      return "the first device";
    }
  }

  /** Every one that CUDA numbers. */
  record All() implements DeviceChoice {
    @Override
    public String toString() {
      return "all devices";
    }
  }

  /**
   * Those with these names.
   *
   * @param names each a number that CUDA gives, such as {@code 0}, or a UUID as {@code nvidia-smi
   *     -L} prints it, such as {@code GPU-6f1b2c3d-...} or {@code MIG-...}, or the beginning of one
   *     that no other device shares; at least one
   */
  record Named(List<String> names) implements DeviceChoice {
    private static final Pattern NAME =
        Pattern.compile("[0-9]{1,4}|(GPU|MIG|MIG-GPU)-[0-9a-fA-F/-]{1,80}");

    /** Copies and checks the names. */
    public Named {
      names = List.copyOf(names);
      if (names.isEmpty()) {
        throw new IllegalArgumentException("no device is named");
      }
      for (String name : names) {
        if (!NAME.matcher(name).matches()) {
          throw new IllegalArgumentException(
              "'%s' is no device: give a number such as 0, or a UUID such as GPU-6f1b2c3d-... or MIG-..."
                  .formatted(name));
        }
      }
    }

    @Override
    public String toString() {
      return (names.size() == 1 ? "device " : "devices ") + String.join(", ", names);
    }
  }

  /**
   * The caller's own CUDA context, in which all memory of the engine is then allocated. It stays
   * the caller's, who destroys it after the engine is closed. Programs that use the runtime API or
   * a device's primary context need not name it: an engine on that device shares it.
   *
   * @param handle the {@code CUcontext}
   */
  record Context(long handle) implements DeviceChoice {
    /** Checks that it is one. */
    public Context {
      if (handle == 0) {
        throw new IllegalArgumentException("0 is no CUDA context");
      }
    }

    @Override
    public String toString() {
      return "the CUDA context 0x%x".formatted(handle);
    }
  }

  /** As {@link Context}, with the one that is current on the thread that opens the engine. */
  record CurrentContext() implements DeviceChoice {
    @Override
    public String toString() {
      return "the current CUDA context";
    }
  }
}
