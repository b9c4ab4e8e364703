package dev.shortcut.resnet.cli;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Options;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.resnet.batch.BatchJob;
import dev.shortcut.resnet.batch.Prediction;
import dev.shortcut.resnet.batch.Row;
import dev.shortcut.resnet.batch.Rows;
import dev.shortcut.resnet.batch.Summary;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "classify",
    header = "Label pictures.",
    description = {
      "%nRuns pictures through a network and writes the likeliest classes of each, in the order of the pictures. Without"
          + " arguments it labels the bundled pictures with the bundled ResNet-20, which was trained on CIFAR-10.%n",
      "A picture that cannot be read becomes a row that says why; the others are not affected. Any number of pictures is"
          + " worked through in bounded memory.%n",
      "Text has one line for each picture. CSV has the columns id, label_1, probability_1, ..., error. JSON Lines has"
          + " objects such as%n",
      "  {\"id\":\"a.jpg\",\"top\":[{\"label\":\"cat\",\"index\":3,\"probability\":0.98}]}",
      "  {\"id\":\"b.jpg\",\"error\":\"the file is empty\"}%n"
    },
    footer = {
      "%nExamples:",
      "  shortcut classify",
      "  shortcut classify photos/ --format json",
      "  shortcut classify --weights resnet50-0676ba61.pth --labels imagenet.txt 'photos/**/*.jpg' -o labels.csv",
      "  shortcut classify @list.txt -o labels.jsonl --resume"
    })
final class ClassifyCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private PictureOptions pictures = new PictureOptions();
  @Mixin private ModelOptions models = new ModelOptions();
  @Mixin private EngineOptions engines = new EngineOptions();
  @Mixin private OutputOptions outputs = new OutputOptions();

  @Option(
      names = "--top",
      paramLabel = "K",
      description = "How many classes each row has. Default: ${DEFAULT-VALUE}.",
      defaultValue = "5",
      converter = DeviceOptions.Count.class)
  private int top = 5;

  ClassifyCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws InterruptedException {
    Rows rows = rows(outputs.format(Format.TEXT));
    try (ImageModel model = models.open();
        Engine engine =
            OpenEngine.of(
                model,
                engines
                    .options()
                    .withInput(model.inputFormat())
                    .withOutput(Options.Output.PROBABILITIES),
                engines.explain(),
                console)) {
      var job = BatchJob.classify(engine, model, top).output(rows);
      Summary summary = PictureJob.run(job, pictures, console, outputs.output() == null);
      return summary.failed() > 0 ? ExitCodes.INPUTS_FAILED : ExitCodes.OK;
    }
  }

  private Rows rows(Format rowFormat) {
    Path output = outputs.output();
    if (output == null) {
      return switch (rowFormat) {
        case TEXT -> Rows.to(this::print);
        case JSON -> Rows.jsonLines(console.out());
        case CSV -> Rows.csv(console.out());
      };
    }
    return outputs.existing(
        switch (rowFormat) {
          case TEXT -> throw outputs.noText();
          case JSON -> Rows.jsonLines(output);
          case CSV -> Rows.csv(output);
        });
  }

  private void print(Row row) {
    switch (row) {
      case Row.Classified classified ->
          console.print(
              classified.id()
                  + "  "
                  + classified.top().stream()
                      .map(ClassifyCommand::describe)
                      .collect(Collectors.joining(", "))
                  + "\n");
      case Row.Failed failed -> console.message(failed.id() + ": " + failed.reason());
      case Row.Vector _ -> throw new IllegalStateException("labels were asked for");
    }
  }

  private static String describe(Prediction prediction) {
    return String.format(
        Locale.ROOT, "%s %.1f %%", prediction.label(), 100 * prediction.probability());
  }
}
