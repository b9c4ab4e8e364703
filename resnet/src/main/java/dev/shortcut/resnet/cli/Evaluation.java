package dev.shortcut.resnet.cli;

import dev.shortcut.resnet.batch.InputException;
import dev.shortcut.resnet.batch.Prediction;
import dev.shortcut.resnet.batch.Row;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Counts of right and wrong labels. Not thread-safe. */
final class Evaluation {
  private final List<String> labels;
  private final Path folder;
  private final Map<String, Integer> classOfFolder;
  private final long[][] confusion;
  private final long[] missedByFive;
  private long failed;

  /**
   * Nothing counted yet.
   *
   * @param labels of the network
   * @param folders names of the class folders below {@code folder}, sorted
   * @throws InputException if the folders cannot be matched with the labels
   */
  Evaluation(List<String> labels, List<String> folders, Path folder) {
    this.labels = labels;
    this.folder = folder;
    this.classOfFolder = classes(labels, folders, folder);
    this.confusion = new long[labels.size()][labels.size()];
    this.missedByFive = new long[labels.size()];
  }

  private static Map<String, Integer> classes(
      List<String> labels, List<String> folders, Path folder) {
    Map<String, Integer> classes = new HashMap<>();
    if (labels.containsAll(folders)) {
      folders.forEach(name -> classes.put(name, labels.indexOf(name)));
    } else if (folders.size() == labels.size() && folders.stream().noneMatch(labels::contains)) {
      folders.forEach(name -> classes.put(name, classes.size()));
    } else {
      throw new InputException(
          "the %d folders in %s are not the network's %d classes: there is no class %s"
              .formatted(
                  folders.size(),
                  folder,
                  labels.size(),
                  folders.stream()
                      .filter(name -> !labels.contains(name))
                      .findFirst()
                      .orElseThrow()));
    }
    return classes;
  }

  void count(Row.Classified row) {
    String name = String.valueOf(folder.relativize(Path.of(row.id())).getName(0));
    Integer truth = classOfFolder.get(name);
    if (truth == null) {
      return; // a picture beside the class folders
    }
    confusion[truth][row.top().getFirst().index()]++;
    if (row.top().stream().mapToInt(Prediction::index).noneMatch(index -> index == truth)) {
      missedByFive[truth]++;
    }
  }

  void countFailed() {
    failed++;
  }

  private long pictures() {
    return Arrays.stream(confusion).flatMapToLong(Arrays::stream).sum();
  }

  private long wrong() {
    return pictures() - IntStream.range(0, labels.size()).mapToLong(i -> confusion[i][i]).sum();
  }

  private static double percent(long part, long whole) {
    return whole == 0 ? 0 : 100.0 * part / whole;
  }

  double top1ErrorPercent() {
    return percent(wrong(), pictures());
  }

  double top5ErrorPercent() {
    return percent(Arrays.stream(missedByFive).sum(), pictures());
  }

  /** One row for each class that has pictures, in the order of the labels. */
  Table classes() {
    return table(IntStream.range(0, labels.size()).filter(i -> total(i) > 0).boxed().toList());
  }

  private Table table(List<Integer> classes) {
    Table table =
        new Table()
            .column("class", "class")
            .column("pictures", "pictures")
            .column("top-1 error %", "top1_error_percent", 2)
            .column("top-5 error %", "top5_error_percent", 2)
            .column("mostly taken for", "mostly_taken_for");
    for (int i : classes) {
      table.row(
          labels.get(i),
          total(i),
          percent(total(i) - confusion[i][i], total(i)),
          percent(missedByFive[i], total(i)),
          mostlyTakenFor(i));
    }
    return table;
  }

  private long total(int truth) {
    return Arrays.stream(confusion[truth]).sum();
  }

  private String mostlyTakenFor(int truth) {
    return IntStream.range(0, labels.size())
        .filter(i -> i != truth && confusion[truth][i] > 0)
        .boxed()
        .max(Comparator.comparingLong(i -> confusion[truth][i]))
        .map(i -> "%s (%d)".formatted(labels.get(i), confusion[truth][i]))
        .orElse("");
  }

  /** Everything, for programs. */
  Map<String, Object> json() {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("pictures", pictures());
    all.put("failed", failed);
    all.put("top1_error_percent", top1ErrorPercent());
    all.put("top5_error_percent", top5ErrorPercent());
    all.put("classes", classes().objects());
    all.put("labels", labels);
    all.put("confusion", confusion);
    return all;
  }

  /** The errors, the worst classes, and the confusion matrix where it is not too wide. */
  String text(int worst, int widestMatrix) {
    List<Integer> byError =
        IntStream.range(0, labels.size())
            .filter(i -> total(i) > 0)
            .boxed()
            .sorted(Comparator.comparingDouble((Integer i) -> percent(confusion[i][i], total(i))))
            .limit(worst)
            .toList();
    var text = new StringBuilder();
    text.append("pictures     %,d%n".formatted(pictures()));
    text.append("top-1 error  %.2f %%%n".formatted(top1ErrorPercent()));
    text.append("top-5 error  %.2f %%%n".formatted(top5ErrorPercent()));
    text.append("%nWorst classes:%n".formatted()).append(table(byError).text());
    if (labels.size() <= widestMatrix) {
      text.append("%nRow: the class. Column: what it was taken for.%n".formatted())
          .append(matrix().text());
    }
    return text.toString();
  }

  private Table matrix() {
    Table table = new Table().column("", "class");
    labels.forEach(label -> table.column(label, label));
    for (int truth = 0; truth < labels.size(); truth++) {
      List<Object> row = new ArrayList<>();
      row.add(labels.get(truth));
      Arrays.stream(confusion[truth]).forEach(row::add);
      table.row(row.toArray());
    }
    return table;
  }
}
