package dev.shortcut.engine.backend.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.backend.cudnn.CudnnCheck.Noticed;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Whether our checks on the software device would notice a mistake: each of a list of mistakes is
 * made in a copy of the sources, and {@link CudnnCheck} must fail on it, in a process of its own,
 * for one of the reasons that are expected. {@code -Dmutation=REGEX} makes only those in whose
 * names it is found.
 */
@Tag("native")
class MutationTest {
  private static final long SECONDS = 300;

  @TempDir private static Path folder;

  private static ExecutorService processes;
  private static Future<Outcome> unchanged;
  private static final Map<Mutation, Future<Outcome>> OUTCOMES = new LinkedHashMap<>();

  /** How a check ended and what it printed. */
  private record Outcome(int status, String output) {
    boolean noticedBy(Set<Noticed> words) {
      return words.stream()
          .anyMatch(word -> output.lines().anyMatch(line -> line.startsWith(word + " ")));
    }
  }

  static Stream<Mutation> mutations() {
    var wanted = Pattern.compile(System.getProperty("mutation", "")).asPredicate();
    return Mutations.ALL.stream().filter(mutation -> wanted.test(mutation.name()));
  }

  @BeforeAll
  static void startAll() {
    // Builds the device, which the processes share, or skips all of this.
    SoftwareDevice.install();
    processes = Executors.newFixedThreadPool(Runtime.getRuntime().availableProcessors());
    unchanged = processes.submit(() -> check(List.of()));
    int number = 0;
    for (Mutation mutation : mutations().toList()) {
      Path classes = folder.resolve("mutation" + number++);
      OUTCOMES.put(mutation, processes.submit(() -> check(List.of(mutated(mutation, classes)))));
    }
  }

  @AfterAll
  static void stopAll() {
    if (processes != null) {
      processes.shutdownNow();
    }
  }

  @Test
  void theCheckHoldsOfTheSourcesAsTheyAre() throws Exception {
    Outcome outcome = unchanged.get();
    assertEquals(0, outcome.status(), outcome::output);
  }

  @ParameterizedTest
  @MethodSource("mutations")
  void aMistakeIsNoticed(Mutation mutation) throws Throwable {
    Outcome outcome;
    try {
      outcome = OUTCOMES.get(mutation).get();
    } catch (ExecutionException e) {
      throw e.getCause();
    }
    assertNotEquals(0, outcome.status(), () -> "nobody noticed: " + mutation);
    assertTrue(
        outcome.noticedBy(mutation.noticed()),
        () ->
            "%s is to be noticed by one of %s, but:%n%s"
                .formatted(mutation, mutation.noticed(), outcome.output()));
  }

  /** Writes the mutated file, compiled if it is a class's, to a folder of its own. */
  private static Path mutated(Mutation mutation, Path classes) throws IOException {
    Path root = Path.of("").toAbsolutePath().getParent();
    var text = mutation.pattern().matcher(Files.readString(root.resolve(mutation.file())));
    assertEquals(
        mutation.times(),
        text.results().count(),
        () ->
            "%s has moved on: write the mutation \"%s\" anew; it replaces%n%s"
                .formatted(mutation.file(), mutation, mutation.find()));
    String changed = text.replaceAll(Matcher.quoteReplacement(mutation.replacement()));
    String source = mutation.file().replaceFirst(".*/src/main/(java|resources)/", "");
    if (!source.endsWith(".java")) {
      Path target = classes.resolve(source);
      Files.createDirectories(target.getParent());
      Files.writeString(target, changed);
      return classes;
    }
    Path file = folder.resolve("sources").resolve(classes.getFileName()).resolve(source);
    Files.createDirectories(file.getParent());
    Files.writeString(file, changed);
    var messages = new StringWriter();
    int status =
        ToolProvider.findFirst("javac")
            .orElseThrow()
            .run(
                new PrintWriter(messages),
                new PrintWriter(messages),
                "-d",
                classes.toString(),
                "-proc:none",
                "-implicit:none",
                "-cp",
                String.join(File.pathSeparator, classPath()),
                file.toString());
    assertEquals(0, status, () -> mutation + " does not compile:\n" + messages);
    return classes;
  }

  private static Outcome check(List<Path> before) throws IOException, InterruptedException {
    var path = new ArrayList<String>();
    before.forEach(classes -> path.add(classes.toString()));
    path.addAll(classPath());
    Path output = Files.createTempFile(folder, "output", ".txt");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-Xshare:auto",
                "-Xmx256m",
                "--enable-native-access=ALL-UNNAMED",
                "-Dtest.seed=" + TestSeed.value(),
                "-cp",
                String.join(File.pathSeparator, path),
                CudnnCheck.class.getName())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    try {
      if (!process.waitFor(SECONDS, TimeUnit.SECONDS)) {
        return new Outcome(
            -1, "it did not end within %d s%n".formatted(SECONDS) + Files.readString(output));
      }
      return new Outcome(process.exitValue(), Files.readString(output));
    } finally {
      process.destroyForcibly();
    }
  }

  /** What this JVM runs, whether it found it on the class path or on the module path. */
  private static Set<String> classPath() {
    Set<String> paths = new LinkedHashSet<>();
    paths.add(folderOf(CudnnCheck.class));
    paths.add(folderOf(CudnnBackend.class));
    for (String property : List.of("jdk.module.path", "java.class.path")) {
      Arrays.stream(System.getProperty(property, "").split(File.pathSeparator))
          .filter(path -> !path.isEmpty())
          .forEach(paths::add);
    }
    return paths;
  }

  private static String folderOf(Class<?> type) {
    String name = type.getName();
    try {
      Path file = Path.of(type.getResource("/" + name.replace('.', '/') + ".class").toURI());
      for (long i = name.chars().filter(c -> c == '.').count(); i >= 0; i--) {
        file = file.getParent();
      }
      return file.toString();
    } catch (URISyntaxException e) {
      throw new IllegalStateException(String.format(Locale.ROOT, "where is %s?", name), e);
    }
  }
}
