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
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntFunction;

/**
 * A choice as it is kept: for what it was made, whether it was made by timing there, and what was
 * chosen.
 *
 * <p>In a file: {@value #MAGIC} and the format as an int, the SHA-256 of the rest, the rest: the
 * key, the mark, the number of the kind, and what that kind holds. Numbers are big-endian, texts
 * UTF-8 behind their length in bytes, lists behind their number of elements.
 *
 * @param key what it was made for
 * @param timed whether it was the fastest of several, run on a device with just this key
 * @param kept what was chosen
 */
record PlanEntry(PlanKey key, boolean timed, Kept kept) {
  /** The most bytes of a file; a plan with a compiled kernel in it has 250,000. */
  static final int LONGEST = 4 << 20;

  private static final int MAGIC = 0x53435000;
  private static final int HASH_BYTES = 32;
  private static final int HEADER_BYTES = Integer.BYTES + HASH_BYTES;

  private static final int ENGINE = 0;
  private static final int SLOWER = 1;
  private static final int REFUSAL = 2;
  private static final int RANK = 3;

  /** What may be kept for a key. */
  sealed interface Kept {}

  /**
   * A plan of cuDNN's.
   *
   * @param json cuDNN's own text
   * @param engine cuDNN's number of the engine, of which with its settings the plan can be made
   *     again where the text does not serve
   * @param knobs the engine's settings
   * @param numericalNotes what it does to the numbers
   * @param behaviorNotes what using it entails
   * @param workspaceBytes scratch space that it needs
   */
  record Engine(
      String json,
      long engine,
      List<KnobChoice> knobs,
      Set<NumericalNote> numericalNotes,
      Set<BehaviorNote> behaviorNotes,
      long workspaceBytes)
      implements Kept {
    /** Copies the collections. */
    Engine {
      knobs = List.copyOf(knobs);
      numericalNotes = Set.copyOf(numericalNotes);
      behaviorNotes = Set.copyOf(behaviorNotes);
    }
  }

  /** That no plan is to be taken for a kernel, since the same sum in the other order is faster. */
  record Slower() implements Kept {}

  /**
   * That cuDNN has nothing suitable for a kernel.
   *
   * @param reasons why not, with what each was said of; of many or long ones only a part
   */
  record Refusal(Map<String, List<String>> reasons) implements Kept {
    private static final int MOST_REASONS = 32;
    private static final int MOST_CANDIDATES = 64;
    private static final int LONGEST_REASON = 1000;
    private static final int LONGEST_CANDIDATE = 100;

    /** Copies the map as far as it is kept. */
    Refusal {
      Map<String, List<String>> some = new LinkedHashMap<>();
      for (Map.Entry<String, List<String>> reason : reasons.entrySet()) {
        if (some.size() == MOST_REASONS) {
          break;
        }
        some.put(
            cut(reason.getKey(), LONGEST_REASON),
            reason.getValue().stream()
                .limit(MOST_CANDIDATES)
                .map(candidate -> cut(candidate, LONGEST_CANDIDATE))
                .toList());
      }
      reasons = Collections.unmodifiableMap(some);
    }

    private static String cut(String text, int longest) {
      if (text.length() <= longest) {
        return text;
      }
      // Half of a pair could not be written.
      boolean pair = Character.isHighSurrogate(text.charAt(longest - 1));
      return text.substring(0, pair ? longest - 1 : longest);
    }
  }

  /**
   * One of cuBLASLt's suggestions for a matrix product, which is asked for again and compared.
   *
   * @param rank its place among those that compute as precisely as asked for, from 0 on
   * @param workspaceBytes scratch space that it needs
   * @param algorithm what cuBLASLt says that it is
   */
  record Rank(int rank, long workspaceBytes, String algorithm) implements Kept {}

  /** A plan as it is kept. */
  static PlanEntry of(PlanKey key, boolean timed, Plan plan) {
    return new PlanEntry(
        key,
        timed,
        new Engine(
            plan.json(),
            plan.engine(),
            plan.knobs(),
            plan.numericalNotes(),
            plan.behaviorNotes(),
            plan.workspaceBytes()));
  }

  /** The bytes of its file. */
  byte[] bytes() {
    var body = new ByteArrayOutputStream();
    try (var out = new DataOutputStream(body)) {
      text(out, key.kernel());
      text(out, key.library());
      out.writeLong(key.architecture());
      out.writeInt(key.device().size());
      for (Map.Entry<String, Long> field : key.device().entrySet()) {
        text(out, field.getKey());
        out.writeLong(field.getValue());
      }
      out.writeBoolean(timed);
      switch (kept) {
        case Engine plan -> {
          out.writeByte(ENGINE);
          write(out, plan);
        }
        case Slower _ -> out.writeByte(SLOWER);
        case Refusal refusal -> {
          out.writeByte(REFUSAL);
          out.writeInt(refusal.reasons().size());
          for (Map.Entry<String, List<String>> reason : refusal.reasons().entrySet()) {
            text(out, reason.getKey());
            out.writeInt(reason.getValue().size());
            for (String candidate : reason.getValue()) {
              text(out, candidate);
            }
          }
        }
        case Rank rank -> {
          out.writeByte(RANK);
          out.writeInt(rank.rank());
          out.writeLong(rank.workspaceBytes());
          text(out, rank.algorithm());
        }
      }
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

  private static void write(DataOutputStream out, Engine plan) throws IOException {
    text(out, plan.json());
    out.writeLong(plan.engine());
    out.writeInt(plan.knobs().size());
    for (KnobChoice knob : plan.knobs()) {
      out.writeInt(knob.type().code());
      out.writeLong(knob.value());
    }
    numbers(out, plan.numericalNotes().stream().map(NumericalNote::code).toList());
    numbers(out, plan.behaviorNotes().stream().map(BehaviorNote::code).toList());
    out.writeLong(plan.workspaceBytes());
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
    String library = text(in);
    long architecture = in.getLong();
    Map<String, Long> device = new HashMap<>();
    for (int left = count(in, Integer.BYTES + Long.BYTES); left > 0; left--) {
      device.put(text(in), in.getLong());
    }
    boolean timed = flag(in);
    return new PlanEntry(new PlanKey(kernel, library, architecture, device), timed, kept(in));
  }

  private static Kept kept(ByteBuffer in) throws IOException {
    int kind = in.get();
    return switch (kind) {
      case ENGINE -> engine(in);
      case SLOWER -> new Slower();
      case REFUSAL -> refusal(in);
      case RANK -> new Rank(number(in), in.getLong(), text(in));
      default -> throw new IOException("it is of a kind %d that there is not".formatted(kind));
    };
  }

  private static Engine engine(ByteBuffer in) throws IOException {
    String json = text(in);
    long engine = in.getLong();
    List<KnobChoice> knobs = new ArrayList<>();
    for (int left = count(in, Integer.BYTES + Long.BYTES); left > 0; left--) {
      knobs.add(new KnobChoice(new KnobType(in.getInt()), in.getLong()));
    }
    return new Engine(
        json,
        engine,
        knobs,
        notes(in, NumericalNote::new),
        notes(in, BehaviorNote::new),
        in.getLong());
  }

  private static Refusal refusal(ByteBuffer in) throws IOException {
    Map<String, List<String>> reasons = new LinkedHashMap<>();
    for (int left = count(in, 2 * Integer.BYTES); left > 0; left--) {
      String reason = text(in);
      List<String> candidates = new ArrayList<>();
      for (int more = count(in, Integer.BYTES); more > 0; more--) {
        candidates.add(text(in));
      }
      reasons.put(reason, candidates);
    }
    return new Refusal(reasons);
  }

  private static boolean flag(ByteBuffer in) throws IOException {
    byte value = in.get();
    if (value != 0 && value != 1) {
      throw new IOException("a mark in it is %d".formatted(value));
    }
    return value == 1;
  }

  /** A number that counts something. */
  private static int number(ByteBuffer in) throws IOException {
    int number = in.getInt();
    if (number < 0) {
      throw new IOException("a number in it is %d".formatted(number));
    }
    return number;
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
