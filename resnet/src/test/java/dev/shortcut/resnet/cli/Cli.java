package dev.shortcut.resnet.cli;

import dev.shortcut.resnet.BundledPictures;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Runs commands in this process, or in one of their own. */
final class Cli {
  private Cli() {}

  /** What a command left. */
  record Result(int status, String out, String err) {
    List<String> lines() {
      return out.lines().toList();
    }
  }

  /** Runs a command in this process. */
  static Result run(String... args) {
    var out = new ByteArrayOutputStream();
    var err = new StringWriter();
    int status = Main.run(new Console(out, new PrintWriter(err, true), false, false), args);
    return new Result(status, out.toString(StandardCharsets.UTF_8), err.toString());
  }

  /**
   * A process that would run a command as the launcher does, with the classes that are tested here.
   * It heeds interrupts even where this process was started with interrupts ignored, as everything
   * is that a script runs in the background.
   */
  static ProcessBuilder process(String... args) {
    List<String> command = new ArrayList<>(List.of("env", "--default-signal=INT"));
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("-cp");
    String modules = System.getProperty("jdk.module.path", "");
    command.add(System.getProperty("java.class.path") + File.pathSeparator + modules);
    command.add(Main.class.getName());
    command.addAll(List.of(args));
    return new ProcessBuilder(command);
  }

  /**
   * A process that would work through pictures one batch of sixteen after another on one thread,
   * and would go on with what an earlier one has left.
   */
  static ProcessBuilder resumable(String command, Path pictures, Path output, Path messages) {
    return process(
            command,
            pictures.toString(),
            "--backend",
            "reference",
            "--batch",
            "16",
            "--threads",
            "1",
            "-o",
            output.toString(),
            "--resume")
        .redirectErrorStream(true)
        .redirectOutput(messages.toFile());
  }

  /** The bundled pictures again and again and bad ones among them, in an order of the seed. */
  static Path pictures(int count, Random random, Path folder) throws IOException {
    Path pictures = Files.createDirectories(folder.resolve("pictures"));
    List<String> names = BundledPictures.names();
    for (int i = 0; i < count; i++) {
      byte[] picture = BundledPictures.read(names.get(random.nextInt(names.size())));
      byte[] content =
          random.nextInt(50) == 0 ? "no picture".getBytes(StandardCharsets.UTF_8) : picture;
      Files.write(pictures.resolve("p%05d.jpg".formatted(i)), content);
    }
    Files.write(pictures.resolve("p99999.jpg"), new byte[0]); // so that each run ends with 1
    return pictures;
  }
}
