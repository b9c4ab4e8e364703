package dev.shortcut.resnet.cli;

import dev.shortcut.engine.ShortcutException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The way in from the shell: {@code ./shortcut COMMAND}. */
@Command(
    name = "shortcut",
    header = "Run residual networks on pictures.",
    description = "%nRun 'shortcut COMMAND --help' for the manual of a command.%n",
    synopsisSubcommandLabel = "COMMAND",
    footer = {
      "%nWithout any preparation, to see that it works:",
      "  shortcut classify",
      "%nResults go to standard output, all else to standard error."
    })
public final class Main implements Runnable {
  private static final Map<String, String> EXIT_CODES = exitCodes();

  @Spec
  @SuppressWarnings("NullAway.Init")
  private CommandSpec spec;

  private Main() {}

  /**
   * Runs one command and ends the process with its status.
   *
   * @param args the command's name and its arguments
   */
  public static void main(String[] args) {
    System.exit(run(Console.ofProcess(), args));
  }

  /** Runs one command and returns its status. */
  static int run(Console console, String... args) {
    CommandLine commandLine =
        new CommandLine(new Main())
            .addSubcommand(new ClassifyCommand(console))
            .addSubcommand(new EmbedCommand(console))
            .addSubcommand(new EvaluateCommand(console))
            .addSubcommand(new RunCommand(console))
            .addSubcommand(new FlopsCommand(console))
            .addSubcommand(new BenchCommand(console))
            .addSubcommand(new PlanCommand(console))
            .addSubcommand(new DoctorCommand(console))
            .addSubcommand(new SelftestCommand(console))
            .addSubcommand(new AutoComplete.GenerateCompletion());
    var out = new StringWriter();
    commandLine
        .setCaseInsensitiveEnumValuesAllowed(true)
        // @FILE is a list of pictures here, which may be longer than memory.
        .setExpandAtFiles(false)
        .setUsageHelpWidth(100)
        .setUsageHelpAutoWidth(true)
        .setOut(new PrintWriter(out))
        .setErr(console.err())
        .setParameterExceptionHandler((failure, _) -> usage(failure, console))
        .setExecutionExceptionHandler((failure, _, _) -> failed(failure, console));
    configure(commandLine);
    int status;
    try {
      status = commandLine.execute(args);
    } catch (Error e) {
      status = failed(e, console);
    }
    commandLine.getOut().flush();
    try {
      console.out().write(out.toString().getBytes(StandardCharsets.UTF_8));
      console.out().flush();
    } catch (IOException e) {
      return failed(e, console);
    }
    return status;
  }

  private static Map<String, String> exitCodes() {
    Map<String, String> codes = new LinkedHashMap<>();
    codes.put(" " + ExitCodes.OK, "all well");
    codes.put(
        " " + ExitCodes.INPUTS_FAILED, "some inputs failed, or an output could not be written");
    codes.put(" " + ExitCodes.USAGE, "wrong usage");
    codes.put(" " + ExitCodes.NO_DEVICE, "no such device or library");
    codes.put(" " + ExitCodes.BAD_MODEL, "bad model or weights");
    codes.put(" " + ExitCodes.MEMORY_LIMIT, "over the memory limit");
    codes.put(" " + ExitCodes.BUG, "a mistake in this program; please report it");
    codes.put(" " + ExitCodes.INTERRUPTED, "interrupted; an output file can be gone on with");
    return codes;
  }

  private static void configure(CommandLine commandLine) {
    CommandSpec spec = commandLine.getCommandSpec();
    spec.mixinStandardHelpOptions(true).versionProvider(new Version());
    spec.usageMessage()
        .sortOptions(false)
        .abbreviateSynopsis(true)
        .exitCodeListHeading("%nExit status:%n")
        .exitCodeList(EXIT_CODES)
        .parameterListHeading("%nArguments:%n")
        .optionListHeading("%nOptions:%n")
        .commandListHeading("%nCommands:%n");
    commandLine.getSubcommands().values().forEach(Main::configure);
  }

  private static int usage(ParameterException failure, Console console) {
    CommandLine command = failure.getCommandLine();
    console.message(failure.getMessage());
    CommandLine.UnmatchedArgumentException.printSuggestions(failure, console.err());
    console.message("Try '%s --help'.".formatted(command.getCommandSpec().qualifiedName()));
    return ExitCodes.USAGE;
  }

  private static int failed(Throwable failure, Console console) {
    Throwable cause =
        failure instanceof UncheckedIOException unchecked ? unchecked.getCause() : failure;
    switch (cause) {
      case IOException e when isClosedPipe(e) -> {
        return ExitCodes.OK;
      }
      case ShortcutException e -> console.message(e.getMessage());
      case IOException e -> console.message(e.getMessage());
      case InterruptedException _ -> console.message("interrupted");
      case OutOfMemoryError _ ->
          console.message(
              "the Java heap of %,d MiB is too small for this; fewer --in-flight pictures or --workers, or more heap (JAVA_TOOL_OPTIONS=-Xmx4g), help"
                  .formatted(Runtime.getRuntime().maxMemory() >> 20));
      case null, default -> {
        console.message("This is a mistake in shortcut. Please report it with these lines:");
        failure.printStackTrace(console.err());
      }
    }
    return ExitCodes.of(failure);
  }

  /** Whoever read the results, such as head, has enough of them. */
  private static boolean isClosedPipe(IOException failure) {
    return String.valueOf(failure.getMessage()).contains("Broken pipe");
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "a command is missing");
  }
}
