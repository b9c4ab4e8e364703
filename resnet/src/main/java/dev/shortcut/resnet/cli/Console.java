package dev.shortcut.resnet.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Where a command's results and its messages go.
 *
 * @param out results; a failure to write them ends the command
 * @param err everything else
 * @param outIsTerminal whether a person reads the results as they come
 * @param errIsTerminal whether a progress bar can be drawn
 */
record Console(OutputStream out, PrintWriter err, boolean outIsTerminal, boolean errIsTerminal) {
  /** The streams of this process. */
  static Console ofProcess() {
    return new Console(
        // System.out would swallow the failure that tells of a closed pipe.
        new FileOutputStream(FileDescriptor.out),
        new PrintWriter(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8),
        isTerminal(1),
        isTerminal(2));
  }

  /** System.console() tells of standard input and output together, and of errors nothing. */
  private static boolean isTerminal(int descriptor) {
    try {
      Path target = Files.readSymbolicLink(Path.of("/proc/self/fd/" + descriptor));
      return target.startsWith("/dev/pts") || target.toString().startsWith("/dev/tty");
    } catch (IOException | UnsupportedOperationException _) {
      return false;
    }
  }

  /** Writes text to the results. */
  void print(String text) {
    try {
      out.write(text.getBytes(StandardCharsets.UTF_8));
      out.flush();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A number of things, for messages: {@code 1 picture}, {@code 1,000 pictures}. */
  static String counted(long number, String thing) {
    return "%,d %s%s".formatted(number, thing, number == 1 ? "" : "s");
  }

  /** Writes a line to the messages. */
  void message(@Nullable String line) {
    err.println(line);
  }
}
