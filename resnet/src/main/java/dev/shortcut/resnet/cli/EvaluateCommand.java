package dev.shortcut.resnet.cli;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Options;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.resnet.batch.BatchJob;
import dev.shortcut.resnet.batch.InputException;
import dev.shortcut.resnet.batch.Inputs;
import dev.shortcut.resnet.batch.Row;
import dev.shortcut.resnet.batch.Rows;
import dev.shortcut.resnet.batch.Summary;
import dev.shortcut.resnet.image.DecodeOptions;
import dev.shortcut.resnet.image.ExifOrientation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "evaluate",
    header = "Measure how often a network is wrong.",
    description = {
      "%nLabels all pictures below a folder that has one folder for each class, and compares. Folders are matched with the"
          + " weights' labels by name; where the names are others but as many, the folders in sorted order are the classes, as in"
          + " torchvision's ImageFolder.%n",
      "Top-1 error: the likeliest class is not the folder's. Top-5 error: none of the five likeliest is. Pictures that cannot be"
          + " read are named and count in neither.%n",
      "JSON has top1_error_percent, top5_error_percent, one object for each class and the confusion matrix (rows: the folder's"
          + " class, columns: the likeliest class). CSV has one line for each class.%n"
    },
    footer = {
      "%nExamples:",
      "  shortcut evaluate test/",
      "  shortcut evaluate --weights resnet50-0676ba61.pth --exif ignore imagenet/val --format json"
    })
final class EvaluateCommand implements Callable<Integer> {
  private static final int TOP = 5;

  /** Matrices of more classes are for programs. */
  private static final int WIDEST_MATRIX = 20;

  private static final int WORST = 10;

  private final Console console;

  @Parameters(
      paramLabel = "DIR",
      description = "A folder with one folder of pictures for each class.")
  private Path folder = Path.of("");

  @Mixin private ModelOptions models = new ModelOptions();
  @Mixin private EngineOptions engines = new EngineOptions();

  @Option(
      names = "--exif",
      paramLabel = "apply|ignore",
      description =
          "Whether pictures are turned as their EXIF orientation says; ignore equals torchvision. Default: ${DEFAULT-VALUE}.",
      defaultValue = "apply")
  private ExifOrientation exif = ExifOrientation.APPLY;

  @Mixin private FormatOption format = new FormatOption();

  EvaluateCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws InterruptedException {
    try (ImageModel model = models.open()) {
      var evaluation = new Evaluation(model.labels(), classFolders(), folder);
      Summary summary;
      try (Engine engine =
          OpenEngine.of(
              model,
              engines.options().withInput(model.inputFormat()).withOutput(Options.Output.LOGITS),
              engines.explain(),
              console)) {
        var job =
            BatchJob.classify(engine, model, TOP)
                .inputs(Inputs.files(folder))
                .decoding(DecodeOptions.DEFAULT.withOrientation(exif))
                .output(Rows.to(row -> count(row, evaluation)));
        summary = RunningJob.run(job, console, false);
      }
      console.message(RunningJob.describe(summary));
      console.print(
          switch (format.chosen()) {
            case TEXT -> evaluation.text(WORST, WIDEST_MATRIX);
            case JSON -> Table.json(evaluation.json());
            case CSV -> evaluation.classes().csv();
          });
      return summary.failed() > 0 ? ExitCodes.INPUTS_FAILED : ExitCodes.OK;
    }
  }

  private void count(Row row, Evaluation evaluation) {
    switch (row) {
      case Row.Classified classified -> evaluation.count(classified);
      case Row.Failed failed -> {
        evaluation.countFailed();
        console.message(failed.id() + ": " + failed.reason());
      }
      case Row.Vector _ -> throw new IllegalStateException("labels were asked for");
    }
  }

  private List<String> classFolders() {
    if (!Files.isDirectory(folder)) {
      throw new InputException(
          "%s is no folder; give one that has a folder of pictures for each class"
              .formatted(folder));
    }
    try (Stream<Path> entries = Files.list(folder)) {
      List<String> folders =
          entries
              .filter(Files::isDirectory)
              .map(entry -> entry.getFileName().toString())
              .filter(name -> !name.startsWith("."))
              .sorted()
              .toList();
      if (folders.isEmpty()) {
        throw new InputException(
            "%s has no folders; one for each class is needed".formatted(folder));
      }
      return folders;
    } catch (IOException e) {
      throw new InputException("%s cannot be read: %s".formatted(folder, e.getMessage()), e);
    }
  }
}
