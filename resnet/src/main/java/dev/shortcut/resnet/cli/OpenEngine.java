package dev.shortcut.resnet.cli;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.resnet.ImageModel;

/**
 * Opens engines and tells, in the messages, what they run on and why. A process that is to end
 * while one opens ends once it is open, and closed again: opening cannot be broken off.
 */
final class OpenEngine {
  private OpenEngine() {}

  /** An engine of which nothing is told. */
  static Engine of(Model model, Options options) throws InterruptedException {
    return of(model, options, () -> {});
  }

  private static Engine of(Model model, Options options, Runnable brokenOff)
      throws InterruptedException {
    return BreakOff.atItsEnd(
        () -> Engine.open(model, options), brokenOff, opened -> opened.ifPresent(Engine::close));
  }

  /** An engine for pictures; what the model had to assume is told too. */
  static Engine of(ImageModel model, Options options, boolean explain, Console console)
      throws InterruptedException {
    model.notes().forEach(console::message);
    return of(model, model.toString(), options, explain, console);
  }

  /** An engine for any model. */
  static Engine of(Model model, String name, Options options, boolean explain, Console console)
      throws InterruptedException {
    Engine engine =
        of(
            model,
            options,
            () -> console.message("interrupted; this ends as soon as the engine is open"));
    try {
      console.message("%s on %s (%s)".formatted(name, engine.backend(), engine.choice()));
      if (explain) {
        console.message(engine.explain());
      }
      return engine;
    } catch (RuntimeException e) {
      engine.close();
      throw e;
    }
  }
}
