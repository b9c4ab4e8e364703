package dev.shortcut.resnet.batch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.testing.TestSeed;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class JobTest {
  @TempDir private Path folder;

  private static List<Row> rows(ToyJob toy, List<Input> inputs) throws InterruptedException {
    List<Row> rows = new ArrayList<>();
    toy.start(Inputs.of(inputs.iterator()), Rows.to(rows::add)).join();
    return rows;
  }

  @Test
  void rowsComeInTheOrderOfTheInputs() throws Exception {
    List<Input> inputs = ToyJob.inputs(1000, TestSeed.random());
    List<Row> rows = rows(new ToyJob().batch(7).batches(5).networks(3).workers(4), inputs);
    assertEquals(ToyJob.expected(inputs), ToyJob.described(rows));
  }

  @Test
  void aBadPictureCostsItsNeighboursNothing() throws Exception {
    List<Input> inputs = new ArrayList<>(ToyJob.inputs(40, TestSeed.random()));
    inputs.set(
        3,
        new Input(
            "unreadable",
            () -> {
              throw new IOException("the disk is gone");
            }));
    inputs.set(4, Input.of("empty", new byte[0]));
    inputs.set(17, Input.of("huge", new byte[] {ToyJob.OUT_OF_MEMORY}));
    inputs.set(39, Input.of("deep", new byte[] {ToyJob.STACK_OVERFLOW}));
    List<Row> rows = rows(new ToyJob().batch(8), inputs);
    assertEquals(ToyJob.expected(inputs), ToyJob.described(rows));
    assertEquals("the disk is gone", assertInstanceOf(Row.Failed.class, rows.get(3)).reason());
    for (int bad : new int[] {3, 4, 17, 39}) {
      assertInstanceOf(Row.Failed.class, rows.get(bad), inputs.get(bad).id());
    }
  }

  @Test
  void aBatchOfOnlyBadPicturesDoesNotRunTheNetwork() throws Exception {
    List<Input> inputs =
        IntStream.range(0, 20).mapToObj(i -> Input.of("bad" + i, new byte[0])).toList();
    var toy = new ToyJob().batch(5);
    assertEquals(20, rows(toy, inputs).size());
    assertEquals(0, toy.runs());
  }

  @Test
  void inputsInFlightStayBoundedWhateverTheirNumber() throws Exception {
    int count = 300_000;
    var taken = new AtomicLong();
    var written = new AtomicLong();
    var most = new AtomicLong();
    Iterator<Input> source =
        IntStream.range(0, count)
            .mapToObj(i -> {
              long ahead = taken.incrementAndGet() - written.get();
              most.accumulateAndGet(ahead, Math::max);
              return Input.of("p" + i, ToyJob.picture(i));
            })
            .iterator();
    Summary summary =
        new ToyJob()
            .batch(16)
            .batches(4)
            .start(Inputs.of(source), Rows.to(_ -> written.incrementAndGet()))
            .join();
    assertEquals(count, summary.rows());
    // Four batches, and the input that the source holds while it waits for the next.
    assertTrue(most.get() <= 4 * 16 + 1, () -> most + " inputs were in flight");
  }

  @Test
  void aCancelledJobEndsAndItsOutputCanBeGoneOnWith() throws Exception {
    List<Input> inputs = ToyJob.inputs(5000, TestSeed.random());
    Path whole = folder.resolve("whole.jsonl");
    new ToyJob().start(Inputs.of(inputs.iterator()), Rows.jsonLines(whole)).join();

    Path file = folder.resolve("rows.jsonl");
    var begun = new CountDownLatch(1);
    Job job =
        new ToyJob()
            .onProgress(_ -> begun.countDown())
            .start(Inputs.of(inputs.iterator()), Rows.jsonLines(file));
    begun.await();
    job.cancel();
    Summary first = job.join();
    assertTrue(first.cancelled());
    assertFalse(Files.exists(file));

    Summary second =
        new ToyJob().start(Inputs.of(inputs.iterator()), Rows.jsonLines(file).resume()).join();
    assertEquals(5000, second.resumed() + second.rows());
    assertEquals(first.rows(), second.resumed());
    assertArrayEquals(Files.readAllBytes(whole), Files.readAllBytes(file));
    assertFalse(Files.exists(PartFile.path(file)));
  }

  @Test
  void cancellingEndsAJobWhoseSourceBlocks() throws Exception {
    var asked = new CountDownLatch(1);
    Iterator<Input> blocking =
        new Iterator<>() {
          @Override
          public boolean hasNext() {
            return true;
          }

          @Override
          public Input next() {
            asked.countDown();
            try {
              new CountDownLatch(1).await();
            } catch (InterruptedException e) {
              throw new IllegalStateException("interrupted", e);
            }
            throw new AssertionError();
          }
        };
    Job job = new ToyJob().start(Inputs.of(blocking), Rows.to(_ -> {}));
    asked.await();
    job.cancel();
    job.cancel();
    assertTrue(job.join().cancelled());
  }

  @Test
  void aFailureOfTheNetworkEndsTheJobAndKeepsTheRowsBeforeIt() throws Exception {
    List<Input> inputs = ToyJob.inputs(200, TestSeed.random());
    Path file = folder.resolve("rows.csv");
    Job job =
        new ToyJob()
            .batch(10)
            .networks(1)
            .failsAtRun(7)
            .start(Inputs.of(inputs.iterator()), Rows.csv(file));
    IllegalStateException failure = assertThrows(IllegalStateException.class, job::join);
    assertEquals("the device is lost", failure.getMessage());
    assertFalse(Files.exists(file));
    Summary rest =
        new ToyJob().batch(10).start(Inputs.of(inputs.iterator()), Rows.csv(file).resume()).join();
    assertEquals(200, rest.rows() + rest.resumed());
  }

  @Test
  void aFailureOfTheSourceEndsTheJob() {
    Iterator<Input> source =
        IntStream.iterate(0, i -> i + 1)
            .mapToObj(i -> {
              if (i == 100) {
                throw new UncheckedIOException(new IOException("the network share is gone"));
              }
              return Input.of("p" + i, ToyJob.picture(i));
            })
            .iterator();
    Job job = new ToyJob().start(Inputs.of(source), Rows.to(_ -> {}));
    assertThrows(UncheckedIOException.class, job::join);
  }

  @Test
  void aFailureOfWritingEndsTheJob() {
    Job job =
        new ToyJob()
            .start(
                Inputs.of(ToyJob.inputs(100, TestSeed.random()).iterator()),
                Rows.jsonLines(
                    new java.io.OutputStream() {
                      @Override
                      public void write(int b) throws IOException {
                        throw new IOException("Broken pipe");
                      }
                    }));
    assertEquals(
        "Broken pipe", assertThrows(UncheckedIOException.class, job::join).getCause().getMessage());
  }

  @Test
  void noThreadOutlivesItsJob() throws Exception {
    Random random = TestSeed.random();
    for (int round = 0; round < 50; round++) {
      Job job =
          new ToyJob()
              .networks(2)
              .start(Inputs.of(ToyJob.inputs(300, random).iterator()), Rows.to(_ -> {}));
      if (round % 2 == 0) {
        job.cancel();
      }
      job.join();
    }
    // The source thread of a cancelled job ends on its own, an instant later perhaps.
    for (int i = 0; i < 1000 && jobThreads() > 0; i++) {
      Thread.sleep(10);
    }
    assertEquals(0, jobThreads());
  }

  private static long jobThreads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().startsWith("shortcut-job-"))
        .count();
  }
}
