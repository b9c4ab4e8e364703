package dev.shortcut.resnet.batch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.testing.TestSeed;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(120)
class ResumeTest {
  @TempDir private Path folder;

  private static Summary run(List<Input> inputs, Rows rows) throws InterruptedException {
    return new ToyJob().start(Inputs.of(inputs.iterator()), rows).join();
  }

  private static Rows rows(Path file) {
    return file.toString().endsWith(".csv") ? Rows.csv(file) : Rows.jsonLines(file);
  }

  /** Leaves what a process leaves that is killed when this many bytes have been written. */
  private static void tear(Path file, long bytes) throws IOException {
    Files.move(file, PartFile.path(file), StandardCopyOption.REPLACE_EXISTING);
    try (var part = new RandomAccessFile(PartFile.path(file).toFile(), "rw")) {
      part.setLength(bytes);
    }
  }

  @RepeatedTest(30)
  void whereverJsonLinesAreTornTheyBecomeTheSameFile() throws Exception {
    tornAnywhere(folder.resolve("rows.jsonl"), TestSeed.random());
  }

  @RepeatedTest(30)
  void whereverCsvIsTornItBecomesTheSameFile() throws Exception {
    tornAnywhere(folder.resolve("rows.csv"), TestSeed.random());
  }

  @ParameterizedTest
  @ValueSource(strings = {"rows.jsonl", "rows.csv"})
  void anOutputWithoutItsFirstByteIsMadeFromTheStart(String name) throws Exception {
    Path file = folder.resolve(name);
    tornAt(0, file, ToyJob.inputs(20, TestSeed.random()));
  }

  @Test
  void vectorsWithoutTheirFirstLineAreMadeFromTheStart() throws Exception {
    List<Input> inputs = ToyJob.inputs(20, TestSeed.random());
    Path output = folder.resolve("vectors");
    run(inputs, Rows.npy(output));
    var whole = contents(output);
    tear(output.resolve("ids.jsonl"), 0);
    run(inputs, Rows.npy(output).resume());
    assertEquals(whole.keySet(), contents(output).keySet());
    contents(output).forEach((name, bytes) -> assertArrayEquals(whole.get(name), bytes, name));
  }

  private void tornAnywhere(Path file, Random random) throws Exception {
    List<Input> inputs = ToyJob.inputs(1 + random.nextInt(100), random);
    run(inputs, rows(file));
    tornAt(random.nextLong(Files.size(file) + 1), file, inputs);
  }

  private static void tornAt(long cut, Path file, List<Input> inputs) throws Exception {
    run(inputs, rows(file).overwrite());
    byte[] whole = Files.readAllBytes(file);
    tear(file, cut);
    Summary summary = run(inputs, rows(file).resume());
    assertEquals(inputs.size(), summary.rows() + summary.resumed(), () -> "torn at byte " + cut);
    assertArrayEquals(whole, Files.readAllBytes(file), () -> "torn at byte " + cut);
    assertFalse(Files.exists(PartFile.path(file)));
  }

  @RepeatedTest(30)
  void whereverVectorsAreTornTheyBecomeTheSameFiles() throws Exception {
    Random random = TestSeed.random();
    List<Input> inputs = ToyJob.inputs(1 + random.nextInt(100), random);
    Path output = folder.resolve("vectors");
    run(inputs, Rows.npy(output));
    var whole = contents(output);

    Path ids = output.resolve("ids.jsonl");
    Path part = VectorFolder.partFile(output, 0);
    tear(ids, random.nextLong(Files.size(ids) + 1));
    if (Files.exists(part) && random.nextBoolean()) {
      // Vectors go to the disk before their lines; only a power failure tears them further.
      tear(part, random.nextLong(Files.size(part) + 1));
    }
    run(inputs, Rows.npy(output).resume());
    assertEquals(whole.keySet(), contents(output).keySet());
    contents(output).forEach((name, bytes) -> assertArrayEquals(whole.get(name), bytes, name));
  }

  private static TreeMap<String, byte[]> contents(Path folder) throws IOException {
    var contents = new TreeMap<String, byte[]>();
    try (var files = Files.list(folder)) {
      for (Path file : files.toList()) {
        contents.put(file.getFileName().toString(), Files.readAllBytes(file));
      }
    }
    return contents;
  }

  @Test
  void vectorsOfMoreThanOnePartAreGoneOnWith() throws Exception {
    List<Input> inputs = new ArrayList<>();
    for (int i = 0; i < 2 * VectorFolder.ROWS_PER_PART + 100; i++) {
      inputs.add(Input.of("p" + i, i % 1000 == 7 ? new byte[0] : ToyJob.picture(i)));
    }
    Path output = folder.resolve("vectors");
    new ToyJob().batch(64).start(Inputs.of(inputs.iterator()), Rows.npy(output)).join();
    var whole = contents(output);
    assertEquals(
        List.of("ids.jsonl", "manifest.json", "part-00000.npy", "part-00001.npy", "part-00002.npy"),
        List.copyOf(whole.keySet()));

    Path ids = output.resolve("ids.jsonl");
    tear(ids, Files.size(ids) * 3 / 4);
    Files.delete(VectorFolder.partFile(output, 2));
    Files.move(VectorFolder.partFile(output, 1), PartFile.path(VectorFolder.partFile(output, 1)));
    new ToyJob().batch(64).start(Inputs.of(inputs.iterator()), Rows.npy(output).resume()).join();
    contents(output).forEach((name, bytes) -> assertArrayEquals(whole.get(name), bytes, name));
    assertEquals(whole.size(), contents(output).size());

    try (var part = NpyReader.open(VectorFolder.partFile(output, 2))) {
      assertEquals(List.of(67L, 2L), part.dims()); // 100 more than two parts, less 33 bad ones
    }
  }

  @Test
  void anOutputIsNotGoneOnWithWhereSomethingHasChanged() throws Exception {
    List<Input> inputs = ToyJob.inputs(50, TestSeed.random());
    Path file = folder.resolve("rows.jsonl");
    new ToyJob()
        .fact("weights", "1234")
        .start(Inputs.of(inputs.iterator()), Rows.jsonLines(file))
        .join();
    tear(file, 500);
    byte[] before = Files.readAllBytes(PartFile.path(file));
    ResumeException refusal =
        assertThrows(
            ResumeException.class,
            () ->
                new ToyJob()
                    .fact("weights", "5678")
                    .batch(9)
                    .start(Inputs.of(inputs.iterator()), Rows.jsonLines(file).resume()));
    assertTrue(refusal.getMessage().contains("weights: then 1234, now 5678"), refusal::getMessage);
    assertTrue(refusal.getMessage().contains("batch: then 8, now 9"), refusal::getMessage);
    assertArrayEquals(before, Files.readAllBytes(PartFile.path(file)));
  }

  @Test
  void anOutputIsNotGoneOnWithForInputsInAnotherOrder() throws Exception {
    List<Input> inputs = new ArrayList<>(ToyJob.inputs(50, TestSeed.random()));
    Path file = folder.resolve("rows.csv");
    run(inputs, Rows.csv(file));
    tear(file, Files.size(file) - 20);
    byte[] before = Files.readAllBytes(PartFile.path(file));
    Collections.swap(inputs, 0, 1);
    assertThrows(ResumeException.class, () -> run(inputs, Rows.csv(file).resume()));
    assertTrue(
        new String(before, StandardCharsets.UTF_8)
            .startsWith(Files.readString(PartFile.path(file))));
    assertThrows(ResumeException.class, () -> run(inputs.subList(0, 3), Rows.csv(file).resume()));
  }

  @Test
  void anUnfinishedOutputIsNeitherOverwrittenNorGoneOnWithUnasked() throws Exception {
    List<Input> inputs = ToyJob.inputs(50, TestSeed.random());
    Path file = folder.resolve("rows.jsonl");
    run(inputs, Rows.jsonLines(file));
    byte[] whole = Files.readAllBytes(file);
    tear(file, 300);
    assertThrows(ResumeException.class, () -> run(inputs, Rows.jsonLines(file)));
    assertEquals(300, Files.size(PartFile.path(file)));
    assertEquals(0, run(inputs, Rows.jsonLines(file).overwrite()).resumed());
    assertArrayEquals(whole, Files.readAllBytes(file));
  }

  @Test
  void aFinishedOutputIsLeftAlone() throws Exception {
    List<Input> inputs = ToyJob.inputs(50, TestSeed.random());
    Path file = folder.resolve("rows.jsonl");
    run(inputs, Rows.jsonLines(file));
    var written = Files.getLastModifiedTime(file);
    Summary again = run(inputs, Rows.jsonLines(file).resume());
    assertEquals(50, again.resumed());
    assertEquals(0, again.rows());
    assertFalse(again.cancelled());
    assertEquals(written, Files.getLastModifiedTime(file));
  }

  @Test
  void twoRunsNeverWriteTheSameFile() throws Exception {
    Path file = folder.resolve("rows.jsonl");
    try (PartFile _ = PartFile.open(file)) {
      assertThrows(ResumeException.class, () -> PartFile.open(file));
    }
    PartFile.open(file).close();
  }

  @Test
  void vectorsOfAnotherRunAreNotMixedWithNewOnes() throws Exception {
    List<Input> inputs = ToyJob.inputs(20, TestSeed.random());
    Path output = folder.resolve("vectors");
    run(inputs, Rows.npy(output));
    assertThrows(ResumeException.class, () -> run(inputs, Rows.npy(output)));
    assertEquals(20, run(inputs, Rows.npy(output).overwrite()).rows());
  }
}
