package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cudnn.BehaviorNote;
import dev.shortcut.bindings.cudnn.KnobChoice;
import dev.shortcut.bindings.cudnn.KnobType;
import dev.shortcut.bindings.cudnn.NumericalNote;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntFunction;

/**
 * A plan as it is kept: for what it was made, cuDNN's text of it, and the engine with its settings,
 * of which it can be made again where the text does not serve.
 *
 * <p>In a file: {@value #MAGIC} and the format as an int, the SHA-256 of the rest, the rest.
 * Numbers are big-endian, texts UTF-8 behind their length in bytes, lists behind their number of
 * elements.
 *
 * @param key what it was made for
 * @param json cuDNN's own text
 * @param engine cuDNN's number of the engine; -1 where no plan is to be taken
 * @param knobs the engine's settings
 * @param numericalNotes what it does to the numbers
 * @param behaviorNotes what using it entails
 * @param workspaceBytes scratch space that it needs
 */
record PlanEntry(
    PlanKey key,
    String json,
    long engine,
    List<KnobChoice> knobs,
    Set<NumericalNote> numericalNotes,
    Set<BehaviorNote> behaviorNotes,
    long workspaceBytes) {
  /** The most bytes of a file; a plan with a compiled kernel in it has 250,000. */
  static final int LONGEST = 4 << 20;

  private static final int MAGIC = 0x53435000;
  private static final int NO_ENGINE = -1;
  private static final int HASH_BYTES = 32;
  private static final int HEADER_BYTES = Integer.BYTES + HASH_BYTES;

  /** Copies the collections. */
  PlanEntry {
    knobs = List.copyOf(knobs);
    numericalNotes = Set.copyOf(numericalNotes);
    behaviorNotes = Set.copyOf(behaviorNotes);
  }

  static PlanEntry of(PlanKey key, Plan plan) {
    return new PlanEntry(
        key,
        plan.json(),
        plan.engine(),
        plan.knobs(),
        plan.numericalNotes(),
        plan.behaviorNotes(),
        plan.workspaceBytes());
  }

  /** That no plan is to be taken for a kernel, since the same in another order is faster. */
  static PlanEntry passedOver(PlanKey key) {
    return new PlanEntry(key, "", NO_ENGINE, List.of(), Set.of(), Set.of(), 0);
  }

  /** Whether it says that no plan is to be taken. */
  boolean isPassedOver() {
    return engine == NO_ENGINE;
  }

  /** The bytes of its file. */
  byte[] bytes() {
    var body = new ByteArrayOutputStream();
    try (var out = new DataOutputStream(body)) {
      text(out, key.kernel());
      out.writeLong(key.cudnn());
      out.writeLong(key.architecture());
      out.writeInt(key.device().size());
      for (Map.Entry<String, Long> field : key.device().entrySet()) {
        text(out, field.getKey());
        out.writeLong(field.getValue());
      }
      text(out, json);
      out.writeLong(engine);
      out.writeInt(knobs.size());
      for (KnobChoice knob : knobs) {
        out.writeInt(knob.type().code());
        out.writeLong(knob.value());
      }
      numbers(out, numericalNotes.stream().map(NumericalNote::code).toList());
      numbers(out, behaviorNotes.stream().map(BehaviorNote::code).toList());
      out.writeLong(workspaceBytes);
    } catch (IOException e) {
      throw new UncheckedIOException("writing to memory", e);
    }
    byte[] written = body.toByteArray();
    return ByteBuffer.allocate(HEADER_BYTES + written.length)
        .putInt(MAGIC | PlanKey.FORMAT)
        .put(PlanKey.sha256().digest(written))
        .put(written)
        .array();
  }

  private static void text(DataOutputStream out, String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    out.writeInt(bytes.length);
    out.write(bytes);
  }

  private static void numbers(DataOutputStream out, List<Integer> numbers) throws IOException {
    out.writeInt(numbers.size());
    for (int number : numbers.stream().sorted().toList()) {
      out.writeInt(number);
    }
  }

  /**
   * Reads the bytes of a file.
   *
   * @throws IOException if they are not what {@link #bytes} gives, saying in what way
   */
  static PlanEntry read(byte[] bytes) throws IOException {
    if (bytes.length < HEADER_BYTES || bytes.length > LONGEST) {
      throw new IOException("it has %,d bytes".formatted(bytes.length));
    }
    ByteBuffer in = ByteBuffer.wrap(bytes);
    if (in.getInt() != (MAGIC | PlanKey.FORMAT)) {
      throw new IOException("it is no plan of this format");
    }
    byte[] hash = new byte[HASH_BYTES];
    in.get(hash);
    MessageDigest digest = PlanKey.sha256();
    digest.update(in.duplicate());
    if (!MessageDigest.isEqual(hash, digest.digest())) {
      throw new IOException("its SHA-256 is wrong");
    }
    try {
      PlanEntry entry = body(in);
      if (in.hasRemaining()) {
        throw new IOException("there are %,d bytes behind its end".formatted(in.remaining()));
      }
      return entry;
    } catch (BufferUnderflowException e) {
      throw new IOException("it ends early", e);
    }
  }

  private static PlanEntry body(ByteBuffer in) throws IOException {
    String kernel = text(in);
    long cudnn = in.getLong();
    long architecture = in.getLong();
    Map<String, Long> device = new HashMap<>();
    for (int left = count(in, Integer.BYTES + Long.BYTES); left > 0; left--) {
      device.put(text(in), in.getLong());
    }
    String json = text(in);
    long engine = in.getLong();
    List<KnobChoice> knobs = new ArrayList<>();
    for (int left = count(in, Integer.BYTES + Long.BYTES); left > 0; left--) {
      knobs.add(new KnobChoice(new KnobType(in.getInt()), in.getLong()));
    }
    return new PlanEntry(
        new PlanKey(kernel, cudnn, architecture, device),
        json,
        engine,
        knobs,
        notes(in, NumericalNote::new),
        notes(in, BehaviorNote::new),
        in.getLong());
  }

  private static String text(ByteBuffer in) throws IOException {
    int length = count(in, Byte.BYTES);
    ByteBuffer bytes = in.slice(in.position(), length);
    in.position(in.position() + length);
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
    } catch (CharacterCodingException e) {
      throw new IOException("a text in it is no UTF-8", e);
    }
  }

  private static <T> Set<T> notes(ByteBuffer in, IntFunction<T> note) throws IOException {
    Set<T> notes = new HashSet<>();
    for (int left = count(in, Integer.BYTES); left > 0; left--) {
      notes.add(note.apply(in.getInt()));
    }
    return notes;
  }

  /** A number of elements, of which there must be room for as many of the least size. */
  private static int count(ByteBuffer in, int leastBytes) throws IOException {
    int count = in.getInt();
    if (count < 0 || count > in.remaining() / leastBytes) {
      throw new IOException("it ends early");
    }
    return count;
  }
}
