package dev.shortcut.resnet.cli;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.resnet.ImageModel;

/** Opens engines and tells, in the messages, what they run on and why. */
final class OpenEngine {
  private OpenEngine() {}

  /** An engine for pictures; what the model had to assume is told too. */
  static Engine of(ImageModel model, Options options, boolean explain, Console console) {
    model.notes().forEach(console::message);
    return of(model, model.toString(), options, explain, console);
  }

  /** An engine for any model. */
  static Engine of(Model model, String name, Options options, boolean explain, Console console) {
    Engine engine = Engine.open(model, options);
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
