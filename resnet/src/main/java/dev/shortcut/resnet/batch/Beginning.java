package dev.shortcut.resnet.batch;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;

/**
 * How the writing of an output begins, decided from what lies on the disk.
 *
 * @param file the output, or what stands for it in a folder
 * @param manifestFile where its manifest lies
 * @param manifest of this run
 * @param overwrites whether an earlier output may be deleted before this one is whole
 * @param resumes whether an unfinished output is gone on with
 * @param finishedRows rows of an output that is whole already; empty where there is something to do
 */
record Beginning(
    Path file,
    Path manifestFile,
    Manifest manifest,
    boolean overwrites,
    boolean resumes,
    OptionalLong finishedRows) {

  /**
   * Looks at what is there.
   *
   * @throws ResumeException if something is there that is neither to be gone on with nor to be
   *     overwritten, or if it was made from something else
   */
  static Beginning of(
      Path file, Path manifestFile, Manifest manifest, boolean resume, boolean overwrite) {
    if (Files.isDirectory(file)) {
      throw new InputException(file + " is a folder; give the name of a file to write");
    }
    // A run that was killed before its first byte has left nothing to lose here, but what belongs
    // to the file, such as vectors without their lines, may lie beside it.
    boolean begun = Files.exists(PartFile.path(file));
    boolean hasRows = size(PartFile.path(file)) > 0;
    if (hasRows && !resume && !overwrite) {
      throw new ResumeException(
          "%s is what an unfinished run has left: go on with --resume, or begin anew with --overwrite"
              .formatted(PartFile.path(file)));
    }
    if (!resume || !Files.exists(manifestFile)) {
      if (resume && hasRows) {
        throw new ResumeException(
            "%s cannot be gone on with, because %s is missing, which says what it was made from; begin anew with --overwrite"
                .formatted(PartFile.path(file), manifestFile));
      }
      return new Beginning(file, manifestFile, manifest, overwrite, false, OptionalLong.empty());
    }
    Manifest earlier = Manifest.read(manifestFile);
    boolean finished = !begun && Files.exists(file) && earlier.finishedRows().isPresent();
    if (begun || finished) {
      manifest.requireSameAs(earlier, file);
    }
    return new Beginning(
        file,
        manifestFile,
        manifest,
        overwrite,
        begun,
        finished ? earlier.finishedRows() : OptionalLong.empty());
  }

  private static long size(Path path) {
    try {
      return Files.exists(path) ? Files.size(path) : 0;
    } catch (IOException e) {
      throw new UncheckedIOException(
          new IOException("%s cannot be looked at: %s".formatted(path, Reasons.of(e)), e));
    }
  }
}
