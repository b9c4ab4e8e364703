package dev.shortcut.resnet.cli;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Options;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.resnet.batch.BatchJob;
import dev.shortcut.resnet.batch.Rows;
import dev.shortcut.resnet.batch.Summary;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "embed",
    header = "Make vectors of pictures.",
    description = {
      "%nRuns pictures through a network and writes what its last linear layer reads: 2048 values for resnet50 and deeper, 512"
          + " for resnet18 and 34, 64 for the nets for 32x32 pictures. --values logits writes the network's outputs instead.%n",
      "With -o FOLDER the vectors go to FOLDER/part-00000.npy and so on, float32 of shape (rows, values), and FOLDER/ids.jsonl"
          + " says for each picture in which part and row its vector lies, or why it has none. With -o FILE.jsonl or"
          + " FILE.csv, or without -o, rows have the values in themselves.%n"
    },
    footer = {
      "%nExamples:",
      "  shortcut embed photos/ -o vectors/",
      "  shortcut embed --weights resnet50-0676ba61.pth photos/ -o vectors/ --resume",
      "  shortcut embed a.jpg b.jpg --values logits"
    })
final class EmbedCommand implements Callable<Integer> {
  /** What each picture becomes. */
  private enum Values {
    FEATURES,
    LOGITS,
    PROBABILITIES
  }

  private final Console console;

  @Mixin private PictureOptions pictures = new PictureOptions();
  @Mixin private ModelOptions models = new ModelOptions();
  @Mixin private EngineOptions engines = new EngineOptions();
  @Mixin private OutputOptions outputs = new OutputOptions();

  @Option(
      names = "--values",
      paramLabel = "features|logits|probabilities",
      description = "What each picture becomes. Default: ${DEFAULT-VALUE}.",
      defaultValue = "features")
  private Values values = Values.FEATURES;

  EmbedCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws InterruptedException {
    Rows rows = rows();
    try (ImageModel model = models.open();
        Engine engine =
            OpenEngine.of(
                model,
                engines
                    .options()
                    .withInput(model.inputFormat())
                    .withOutput(Options.Output.valueOf(values.name())),
                engines.explain(),
                console)) {
      Summary summary =
          PictureJob.run(
              BatchJob.embed(engine, model).output(rows),
              pictures,
              console,
              outputs.output() == null);
      return summary.failed() > 0 ? ExitCodes.INPUTS_FAILED : ExitCodes.OK;
    }
  }

  private Rows rows() {
    Path output = outputs.output();
    if (output == null) {
      return switch (outputs.format(Format.JSON)) {
        case TEXT -> throw outputs.noText();
        case JSON -> Rows.jsonLines(console.out());
        case CSV -> Rows.csv(console.out());
      };
    }
    String name = output.toString().toLowerCase(Locale.ROOT);
    boolean file = outputs.format() != null || name.matches(".*\\.(jsonl?|ndjson|csv)");
    Rows rows =
        !file
            ? Rows.npy(output)
            : switch (outputs.format(Format.JSON)) {
              case TEXT -> throw outputs.noText();
              case JSON -> Rows.jsonLines(output);
              case CSV -> Rows.csv(output);
            };
    return outputs.existing(rows);
  }
}
