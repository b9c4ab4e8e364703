package dev.shortcut.benchmarks;

import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** The command line of the benchmarks. */
@Command(
    name = "benchmarks",
    description = "Measures Shortcut alone and beside other engines.",
    mixinStandardHelpOptions = true,
    subcommands = Peers.class)
final class Benchmarks {
  private Benchmarks() {}

  public static void main(String[] args) {
    var jmh = new CommandLine(new Jmh()).setUnmatchedOptionsArePositionalParams(true);
    System.exit(new CommandLine(new Benchmarks()).addSubcommand(jmh).execute(args));
  }

  /** JMH's own command line. */
  @Command(
      name = "jmh",
      description = "Runs the JMH benchmarks; all arguments are JMH's (-h lists them).")
  static final class Jmh implements Callable<Integer> {
    @Parameters(paramLabel = "ARGUMENT", description = "Passed to JMH as it is.")
    private List<String> arguments = List.of();

    @Override
    public Integer call() throws Exception {
      org.openjdk.jmh.Main.main(arguments.toArray(String[]::new));
      return CommandLine.ExitCode.OK;
    }
  }
}
