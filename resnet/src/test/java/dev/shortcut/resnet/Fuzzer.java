package dev.shortcut.resnet;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.shortcut.testing.TestSeed;
import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Lets Jazzer mutate good and bad files for a bounded time, in a JVM of its own: a crash of native
 * code fails the test and not the test run.
 *
 * <p>A target is a class with {@code public static void fuzzerTestOneInput(byte[])}; whatever it
 * throws is a finding. The same seed gives the same sequence of inputs; {@code -Dfuzz.seconds=N}
 * changes how long each target runs.
 */
public final class Fuzzer {
  private static final int SECONDS = Integer.getInteger("fuzz.seconds", 20);
  private static final int SECONDS_AN_INPUT = 20;
  private static final int SECONDS_TO_START_AND_END = 180;
  private static final Pattern RUNS = Pattern.compile("Done (\\d+) runs");

  private final Class<?> target;
  private final List<String> instrumented = new ArrayList<>();
  private Map<String, byte[]> examples = Map.of();
  private String heap = "512m";

  private Fuzzer(Class<?> target) {
    this.target = target;
    instrumented.add("dev.shortcut.resnet.**");
  }

  /**
   * A fuzzer of {@code target}, which sees the branches taken in this module and, if no more is
   * said, in no other code.
   */
  public static Fuzzer of(Class<?> target) {
    return new Fuzzer(target);
  }

  /** Files to begin with, by name. */
  public Fuzzer examples(Map<String, byte[]> files) {
    examples = Map.copyOf(files);
    return this;
  }

  /** More packages whose branches are seen, such as {@code com.sun.imageio.**}. */
  public Fuzzer instrument(String... packages) {
    instrumented.addAll(List.of(packages));
    return this;
  }

  /** The heap's size as in {@code -Xmx}: running out of it is a finding. */
  public Fuzzer heap(String size) {
    heap = size;
    return this;
  }

  /** Runs for {@code fuzz.seconds} or up to the first finding, which fails the calling test. */
  public void run() throws IOException, InterruptedException {
    long seed = 1 + Math.floorMod(TestSeed.value(), 0xFFFF_FFFEL);
    Path folder = Files.createDirectories(Path.of("target", "fuzz", target.getSimpleName()));
    Path corpus = Files.createTempDirectory(folder, "corpus");
    Path findings = Files.createTempDirectory(folder, "findings");
    Path log = Files.createTempFile(folder, "jazzer", ".log");
    int number = 0;
    for (byte[] example : examples.values()) {
      Files.write(corpus.resolve("example-" + number++), example);
    }
    List<String> command =
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx" + heap,
            "-XX:+EnableDynamicAgentLoading",
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-cp",
            String.join(File.pathSeparator, classPath()),
            "com.code_intelligence.jazzer.Jazzer",
            "--target_class=" + target.getName(),
            "--instrumentation_includes=" + String.join(":", instrumented),
            "--reproducer_path=" + findings,
            "-seed=" + seed,
            "-max_total_time=" + SECONDS,
            "-timeout=" + SECONDS_AN_INPUT,
            "-rss_limit_mb=0", // the heap's size is the limit; the JVM itself takes what it takes
            "-artifact_prefix=" + findings + "/",
            corpus.toString());
    Process jazzer =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(Redirect.to(log.toFile()))
            .start();
    try {
      if (!jazzer.waitFor(SECONDS + SECONDS_TO_START_AND_END, TimeUnit.SECONDS)) {
        fail("the fuzzer did not end; its output is in " + log.toAbsolutePath());
      }
    } finally {
      jazzer.destroyForcibly();
    }
    String output = Files.readString(log, StandardCharsets.ISO_8859_1);
    String repeat =
        "./mvnw -pl resnet -am test -Dtest='%s*' -Dsurefire.failIfNoSpecifiedTests=false -Dtest.seed=%d -Dfuzz.seconds=%d"
            .formatted(target.getSimpleName(), TestSeed.value(), SECONDS);
    Matcher runs = RUNS.matcher(output);
    if (jazzer.exitValue() != 0 || !runs.find()) {
      fail(
          "%s failed (exit code %d). The input is in %s, all output in %s. Repeat it with%n  %s%n%s"
              .formatted(
                  target.getSimpleName(),
                  jazzer.exitValue(),
                  findings.toAbsolutePath(),
                  log.toAbsolutePath(),
                  repeat,
                  essence(output)));
    }
    assertTrue(
        Integer.parseInt(runs.group(1)) >= examples.size(),
        () ->
            "only %s runs for %d examples: %s"
                .formatted(runs.group(1), examples.size(), log.toAbsolutePath()));
    System.err.printf(
        "%s: %s inputs in %d s. Repeat it with%n  %s%n",
        target.getSimpleName(), runs.group(1), SECONDS, repeat);
  }

  /** The trace of what was found, else the end of the output. */
  private static String essence(String output) {
    int found = output.indexOf("== Java Exception");
    return found >= 0
        ? output.substring(found, Math.min(output.length(), found + 6000))
        : output.substring(Math.max(0, output.length() - 6000));
  }

  /**
   * What this JVM runs, and the target's folder, which a module has patched in; JUnit is of no use
   * there and disturbs.
   */
  private Set<String> classPath() {
    Set<String> paths = new LinkedHashSet<>();
    String resource = "/" + target.getName().replace('.', '/') + ".class";
    URI file;
    try {
      file = target.getResource(resource).toURI();
    } catch (URISyntaxException e) {
      throw new IllegalStateException(resource, e);
    }
    Path root = Path.of(file);
    for (int i = 0; i < target.getName().split("\\.").length; i++) {
      root = root.getParent();
    }
    paths.add(root.toString());
    for (String property : List.of("jdk.module.path", "java.class.path")) {
      for (String path : System.getProperty(property, "").split(File.pathSeparator)) {
        if (!path.isEmpty() && !Path.of(path).getFileName().toString().contains("junit")) {
          paths.add(path);
        }
      }
    }
    return paths;
  }
}
