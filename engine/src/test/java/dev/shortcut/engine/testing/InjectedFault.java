package dev.shortcut.engine.testing;

import dev.shortcut.engine.ShortcutException;
import dev.shortcut.testing.device.SoftwareDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/** What must hold after a call that was made to fail on the software device. */
public final class InjectedFault {
  private InjectedFault() {}

  /** What is wrong with the message, which names the C function that failed. */
  public static List<String> wrongIn(ShortcutException e) {
    return wrongIn(e, UnaryOperator.identity());
  }

  /**
   * The same where functions are spelled otherwise.
   *
   * @param spelling of functions in messages
   */
  static List<String> wrongIn(ShortcutException e, UnaryOperator<String> spelling) {
    String function = spelling.apply(SoftwareDevice.fired().getLast().split(" ")[1]);
    return String.valueOf(e.getMessage()).contains(function)
        ? List.of()
        : List.of("%s is not named in: %s".formatted(function, e.getMessage()));
  }

  /**
   * What is left on the device, and what the device complains of, though everything was closed. A
   * call that was to free something, and failed, leaves just that: nobody could free it any more.
   */
  public static List<String> leftBehind() {
    String fired = SoftwareDevice.fired().isEmpty() ? "" : SoftwareDevice.fired().getLast();
    boolean frees = fired.matches(".* \\w*(Destroy|Free|Release|Unload)\\w* .*");
    long objects =
        SoftwareDevice.live().entrySet().stream()
            .filter(e -> !e.getKey().matches(".*bytes|primary context retained"))
            .mapToLong(e -> e.getValue())
            .sum();
    boolean bytes = SoftwareDevice.bytesInUse(0) > 0 && !fired.contains("cuMemFree");
    List<String> wrong = new ArrayList<>();
    if (objects > (frees ? 1 : 0) || bytes) {
      wrong.add(
          "%s left %s and %d bytes"
              .formatted(fired, SoftwareDevice.live(), SoftwareDevice.bytesInUse(0)));
    }
    SoftwareDevice.complaints().stream()
        .filter(complaint -> !(frees && complaint.contains("still owned 1 of kind")))
        .forEach(complaint -> wrong.add("%s: %s".formatted(fired, complaint)));
    return wrong;
  }
}
