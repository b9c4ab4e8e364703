package dev.shortcut.resnet.examples;

import dev.shortcut.engine.Benchmark;
import dev.shortcut.engine.DeviceBuffer;
import dev.shortcut.engine.DeviceChoice;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Execution;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.Measurement;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.resnet.batch.BatchJob;
import dev.shortcut.resnet.batch.Inputs;
import dev.shortcut.resnet.batch.Rows;
import dev.shortcut.resnet.batch.Summary;
import dev.shortcut.resnet.image.Picture;
import java.nio.file.Path;
import java.time.Duration;

/**
 * The README's Java, compiled and run; {@link ReadmeTest} checks that the README shows the same
 * lines.
 */
final class ReadmeExamples {
  private ReadmeExamples() {}

  static float[] onePicture(Path file) throws InterruptedException {
    try (ImageModel model = ImageModel.bundled();
        Engine engine = Engine.open(model, Options.defaults().withInput(model.inputFormat()))) {
      Picture picture = model.preprocessing().apply(Picture.decode(file));
      float[] logits = engine.run(picture.rgb());
      return logits;
    }
  }

  static float[] likeliest(Path file) throws InterruptedException {
    try (ImageModel model = ImageModel.bundled()) {
      Picture picture = model.preprocessing().apply(Picture.decode(file));
      Options options = Options.defaults().withInput(model.inputFormat()).withTopK(3);
      try (Engine engine = Engine.open(model, options)) {
        float[] top =
            engine.run(picture.rgb()); // three probabilities, largest first, then three classes
        System.err.printf("%s: %.1f %%%n", model.labels().get((int) top[3]), 100 * top[0]);
        return top;
      }
    }
  }

  static Summary manyPictures(Path folder, Path labels) throws InterruptedException {
    try (ImageModel model = ImageModel.bundled();
        Engine engine = Engine.open(model, Options.defaults().withInput(model.inputFormat()))) {
      return BatchJob.classify(engine, model, 5)
          .inputs(Inputs.files(folder))
          .output(Rows.jsonLines(labels).resume())
          .onProgress(p -> System.err.println(p.rows() + " rows"))
          .start()
          .join();
    }
  }

  static Measurement measure(Engine engine) throws InterruptedException {
    Measurement m = Benchmark.of(engine).batch(8).warmUp(Duration.ofMillis(100)).rounds(10).run();
    System.err.printf("%.1f images/s, median %s%n", m.imagesPerSecond(), m.latency(50));
    return m;
  }

  /**
   * A batch of 32 images that lie on a GPU, on a CUDA program's own stream.
   *
   * @param images the address of floats in NCHW order
   * @param logits the address of room for the results
   * @param stream of the context that is current on this thread
   */
  static void embedded(Model model, long images, long logits, long stream) {
    Options options =
        Options.defaults()
            .withBackend(Options.BackendChoice.CUDA)
            .withDevices(new DeviceChoice.CurrentContext());
    try (Engine engine = Engine.open(model, options);
        Execution execution = engine.execution(32, new InputFormat.Float32Nchw())) {
      execution.enqueue(
          new DeviceBuffer(images, execution.inputBytes()),
          new DeviceBuffer(logits, execution.outputBytes()),
          stream);
    }
  }
}
