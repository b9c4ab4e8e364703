package dev.shortcut.resnet.cli;

import dev.shortcut.resnet.batch.BatchJob;
import dev.shortcut.resnet.batch.Job;
import dev.shortcut.resnet.batch.Progress;
import dev.shortcut.resnet.batch.Summary;
import java.time.Duration;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/**
 * Runs a batch job to its end with a progress bar, and leaves its output in order when the user
 * breaks it off.
 */
final class RunningJob {
  private RunningJob() {}

  /**
   * Starts the job and waits for it.
   *
   * @param rowsOnTerminal whether rows appear where the bar would be drawn
   */
  static Summary run(BatchJob description, Console console, boolean rowsOnTerminal)
      throws InterruptedException {
    if (!console.errIsTerminal() || rowsOnTerminal) {
      return await(description.start(), console);
    }
    try (ProgressBar bar = bar("pictures")) {
      return await(description.onProgress(progress -> show(progress, bar)).start(), console);
    }
  }

  /** A bar that does not know yet how much there is. */
  static ProgressBar bar(String task) {
    return new ProgressBarBuilder()
        .setTaskName(task)
        .setInitialMax(-1)
        .setStyle(ProgressBarStyle.ASCII)
        .setUpdateIntervalMillis(500)
        .showSpeed()
        .clearDisplayOnFinish()
        .build();
  }

  private static void show(Progress progress, ProgressBar bar) {
    progress.total().ifPresent(bar::maxHint);
    bar.stepTo(progress.resumed() + progress.rows());
    if (progress.failed() > 0) {
      bar.setExtraMessage(progress.failed() + " failed");
    }
  }

  /** Rows that are being written come to their end also where the user breaks the job off. */
  private static Summary await(Job job, Console console) throws InterruptedException {
    return BreakOff.around(
        job::join,
        () -> {
          job.cancel();
          @Nullable Summary summary = joined(job);
          if (summary != null && summary.cancelled()) {
            console.message(
                "interrupted after "
                    + rows(summary)
                    + "; an output file can be gone on with: --resume");
          }
        });
  }

  private static @Nullable Summary joined(Job job) {
    try {
      return job.join();
    } catch (InterruptedException | RuntimeException _) {
      return null; // the main thread tells of it
    }
  }

  private static String rows(Summary summary) {
    return Console.counted(summary.resumed() + summary.rows(), "row");
  }

  /** One line for the messages: how many, how fast, how many failed. */
  static String describe(Summary summary) {
    Duration elapsed = summary.elapsed();
    return "%s in %.1f s (%,.1f/s)%s%s"
        .formatted(
            Console.counted(summary.rows(), "picture"),
            elapsed.toMillis() / 1000.0,
            summary.perSecond(),
            summary.resumed() > 0
                ? ", %s from before".formatted(Console.counted(summary.resumed(), "row"))
                : "",
            summary.failed() > 0 ? ", %,d failed".formatted(summary.failed()) : "");
  }
}
