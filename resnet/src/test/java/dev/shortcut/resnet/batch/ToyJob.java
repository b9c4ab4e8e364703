package dev.shortcut.resnet.batch;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The pipeline around a network that anybody can check: a picture is four bytes, and its results
 * are their sum and the number of pictures of its batch, so that a row also shows which company its
 * picture was in.
 */
final class ToyJob {
  static final byte OUT_OF_MEMORY = 1;
  static final byte STACK_OVERFLOW = 2;
  private static final int PICTURE_BYTES = 4;

  private int batch = 8;
  private int batches = 4;
  private int networks = 2;
  private int workers = 3;
  private int failingRun = -1;
  private Progress.Listener listener = _ -> {};
  private final AtomicInteger runs = new AtomicInteger();
  private final LinkedHashMap<String, String> facts = new LinkedHashMap<>();

  ToyJob batch(int pictures) {
    batch = pictures;
    return this;
  }

  ToyJob batches(int inFlight) {
    batches = inFlight;
    return this;
  }

  ToyJob networks(int count) {
    networks = count;
    return this;
  }

  ToyJob workers(int threads) {
    workers = threads;
    return this;
  }

  ToyJob failsAtRun(int run) {
    failingRun = run;
    return this;
  }

  ToyJob onProgress(Progress.Listener newListener) {
    listener = newListener;
    return this;
  }

  ToyJob fact(String name, String value) {
    facts.put(name, value);
    return this;
  }

  int runs() {
    return runs.get();
  }

  Job start(Inputs inputs, Rows rows) {
    List<Network> all = new ArrayList<>();
    for (int i = 0; i < networks; i++) {
      all.add(this::run);
    }
    facts.put("batch", String.valueOf(batch));
    inputs.survey().ifPresent(survey -> facts.put("inputs", survey.fingerprint()));
    RowSink sink = rows.open(new RowKind.Values("sums", 2), new Manifest(facts));
    var plan =
        new Job.Plan(
            all,
            ToyJob::read,
            PICTURE_BYTES,
            2,
            batch,
            batches,
            workers,
            Row.Vector::new,
            OptionalLong.empty());
    return Job.start(plan, inputs, sink, listener);
  }

  private static void read(byte[] encoded, MemorySegment target) {
    if (encoded.length == 1) {
      throw encoded[0] == OUT_OF_MEMORY
          ? new OutOfMemoryError("toy")
          : new StackOverflowError("toy");
    }
    if (encoded.length != PICTURE_BYTES) {
      throw new IllegalArgumentException("a toy picture has four bytes, not " + encoded.length);
    }
    if (encoded[0] % 5 == 0) {
      Thread.yield(); // the order in which pictures are decoded is to differ from the order of the
      // inputs
    }
    MemorySegment.copy(encoded, 0, target, ValueLayout.JAVA_BYTE, 0, PICTURE_BYTES);
  }

  private void run(MemorySegment input, MemorySegment output, int images) {
    if (runs.getAndIncrement() == failingRun) {
      throw new IllegalStateException("the device is lost");
    }
    for (int i = 0; i < images; i++) {
      int sum = 0;
      for (int b = 0; b < PICTURE_BYTES; b++) {
        sum += input.get(ValueLayout.JAVA_BYTE, (long) i * PICTURE_BYTES + b);
      }
      output.setAtIndex(ValueLayout.JAVA_FLOAT, 2L * i, sum);
      output.setAtIndex(ValueLayout.JAVA_FLOAT, 2L * i + 1, images);
    }
  }

  static byte[] picture(int number) {
    return new byte[] {(byte) number, (byte) (number >> 8), (byte) (number >> 16), 3};
  }

  /** Pictures with ids that no format may stumble over, about one in twenty of them bad. */
  static List<Input> inputs(int count, Random random) {
    String[] oddities = {"", ",", "\"", "\n", "\r\n", "ü", "\"\"", " ", "\u2028", "\t", "'", "\\"};
    List<Input> inputs = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      String id = "p" + i + oddities[random.nextInt(oddities.length)] + random.nextInt(10);
      inputs.add(
          Input.of(id, random.nextInt(20) == 0 ? new byte[3] : picture(random.nextInt(1 << 24))));
    }
    return inputs;
  }

  /** What each row must say, apart from the company. */
  static List<String> expected(List<Input> inputs) {
    return inputs.stream().map(ToyJob::expected).toList();
  }

  private static String expected(Input input) {
    byte[] bytes;
    try {
      bytes = input.source().read();
    } catch (java.io.IOException e) {
      return input.id() + " failed";
    }
    if (bytes.length != PICTURE_BYTES) {
      return input.id() + " failed";
    }
    return input.id() + " " + (float) (bytes[0] + bytes[1] + bytes[2] + bytes[3]);
  }

  static List<String> described(List<Row> rows) {
    return rows.stream()
        .map(row ->
            switch (row) {
              case Row.Vector vector -> vector.id() + " " + vector.values()[0];
              case Row.Failed failed -> failed.id() + " failed";
              case Row.Classified classified -> classified.id() + " classified";
            })
        .toList();
  }
}
