package dev.shortcut.resnet.cli;

import dev.shortcut.resnet.batch.BatchJob;
import dev.shortcut.resnet.batch.Summary;
import org.jspecify.annotations.Nullable;

/** What the commands that work through pictures have in common. */
final class PictureJob {
  private PictureJob() {}

  /** Runs the job on the pictures that were asked for and tells how it went. */
  static Summary run(
      BatchJob job, PictureOptions pictures, Console console, boolean rowsToStandardOutput)
      throws InterruptedException {
    job.inputs(pictures.inputs()).decoding(pictures.decoding());
    @Nullable Integer workers = pictures.workers();
    if (workers != null) {
      job.workers(workers);
    }
    @Nullable Integer inFlight = pictures.inFlight();
    if (inFlight != null) {
      job.inFlight(inFlight);
    }
    Summary summary = RunningJob.run(job, console, rowsToStandardOutput && console.outIsTerminal());
    console.message(RunningJob.describe(summary));
    return summary;
  }
}
