package dev.shortcut.resnet.cli;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

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
}
