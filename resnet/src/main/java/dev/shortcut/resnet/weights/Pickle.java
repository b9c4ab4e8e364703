package dev.shortcut.resnet.weights;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads Python pickles (protocols 2 to 5; the binary opcodes of {@code pickletools}) as plain data.
 *
 * <p>A pickle is a program for a stack machine that may name any Python function and call it. This
 * machine has no functions: a name means something only if the {@link Vocabulary} knows it, which
 * makes a value of ours out of the arguments. Any other name ends the reading. It does not recurse,
 * and it stops after {@value #MAX_STEPS} steps, so neither the stack nor the heap grows with what a
 * file claims.
 *
 * <p>Values: {@link None}, Boolean, Long, BigInteger, Double, String, {@code byte[]}, {@link
 * Tuple}, {@link Sequence} (a list or a set), {@link Dictionary}, {@link Global}, and what the
 * vocabulary makes. None of them may be compared or printed whole: they can nest as deeply as the
 * file is long, and contain themselves.
 *
 * <p>Not thread-safe.
 */
final class Pickle {
  /** Python's None. */
  enum None {
    NONE
  }

  /** What a file of 1202 layers with its optimiser's state takes, and twice as much again. */
  private static final int MAX_STEPS = 1_000_000;

  private static final long MAX_BYTES = 32L << 20;
  private static final int MAX_LINE = 1024;
  private static final int MAX_INTEGER = 64;

  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** What the names in a file mean. */
  interface Vocabulary {
    /** Whether a pickle may mention {@code global}; it need not be something to call. */
    boolean knows(Global global);

    /** What calling {@code global} makes of these arguments. */
    Object call(Global global, List<Object> arguments) throws FormatException;

    /** What an identifier that points outside of the pickle stands for. */
    Object persistent(Object id) throws FormatException;
  }

  /** A Python function, class or constant, by name. */
  record Global(String module, String name) {
    @Override
    public String toString() {
      return module + "." + name;
    }
  }

  /** A Python tuple. Compared by identity: it may be deep. */
  static final class Tuple {
    private final List<Object> items;

    Tuple(List<Object> items) {
      this.items = List.copyOf(items);
    }

    List<Object> items() {
      return items;
    }
  }

  /** A Python list or set. Compared by identity: it may contain itself. */
  static final class Sequence {
    private final List<Object> items = new ArrayList<>();

    List<Object> items() {
      return items;
    }
  }

  /** A Python dict or OrderedDict. Compared by identity: it may contain itself. */
  static final class Dictionary {
    private final Map<Object, Object> entries = new LinkedHashMap<>();

    Map<Object, Object> entries() {
      return entries;
    }
  }

  private final MemorySegment bytes;
  private final Vocabulary vocabulary;
  private final List<Object> stack = new ArrayList<>();
  private final List<Integer> marks = new ArrayList<>();
  private final Map<Long, Object> memo = new HashMap<>();
  private long at;
  private int steps;

  /** Reads pickles that lie one behind the other in {@code bytes}. */
  Pickle(MemorySegment bytes, Vocabulary vocabulary) {
    this.bytes = bytes;
    this.vocabulary = vocabulary;
  }

  /** Offset of the byte behind the last pickle that was read. */
  long position() {
    return at;
  }

  /** The value of the next pickle. */
  Object load() throws FormatException {
    stack.clear();
    marks.clear();
    memo.clear();
    while (true) {
      spend(1);
      long opcodeAt = at;
      int opcode = readUnsignedByte();
      if (opcode == '.') { // STOP
        Object result = pop();
        if (!stack.isEmpty()) {
          throw new FormatException("its pickle ends with values left over");
        }
        return result;
      }
      execute(opcode, opcodeAt);
    }
  }

  // The names behind the opcodes are those of CPython's pickletools.
  private void execute(int opcode, long opcodeAt) throws FormatException {
    switch (opcode) {
      case 0x80 -> checkProtocol(); // PROTO
      case 0x95 -> skip(Long.BYTES); // FRAME: only a hint for buffering
      case '(' -> mark(); // MARK
      case '0' -> pop(); // POP
      case '1' -> popToMark(); // POP_MARK
      case '2' -> push(peek()); // DUP

      case 'N' -> push(None.NONE); // NONE
      case 0x88 -> push(true); // NEWTRUE
      case 0x89 -> push(false); // NEWFALSE
      case 'K' -> push((long) readUnsignedByte()); // BININT1
      case 'M' -> push((long) (readUnsignedByte() | readUnsignedByte() << 8)); // BININT2
      case 'J' -> push((long) readInt()); // BININT
      case 0x8a -> push(integer(readUnsignedByte())); // LONG1
      case 0x8b -> push(integer(readInt())); // LONG4
      case 'G' -> push(Double.longBitsToDouble(Long.reverseBytes(readLong()))); // BINFLOAT

      case 'X' -> push(text(readUnsignedInt())); // BINUNICODE
      case 0x8c -> push(text(readUnsignedByte())); // SHORT_BINUNICODE
      case 0x8d -> push(text(readLong())); // BINUNICODE8
      case 'T' -> push(text(readUnsignedInt())); // BINSTRING, a str of Python 2
      case 'U' -> push(text(readUnsignedByte())); // SHORT_BINSTRING, a str of Python 2
      case 'B' -> push(take(readUnsignedInt())); // BINBYTES
      case 'C' -> push(take(readUnsignedByte())); // SHORT_BINBYTES
      case 0x8e, 0x96 -> push(take(readLong())); // BINBYTES8, BYTEARRAY8

      case ')' -> push(new Tuple(List.of())); // EMPTY_TUPLE
      case 't' -> push(new Tuple(popToMark())); // TUPLE
      case 0x85 -> push(new Tuple(pop(1))); // TUPLE1
      case 0x86 -> push(new Tuple(pop(2))); // TUPLE2
      case 0x87 -> push(new Tuple(pop(3))); // TUPLE3
      case ']', 0x8f -> push(new Sequence()); // EMPTY_LIST, EMPTY_SET
      case 'l', 0x91 -> push(sequence(popToMark())); // LIST, FROZENSET
      case 'a' -> append(pop(1)); // APPEND
      case 'e', 0x90 -> append(popToMark()); // APPENDS, ADDITEMS
      case '}' -> push(new Dictionary()); // EMPTY_DICT
      case 'd' -> push(dictionary(popToMark())); // DICT
      case 's' -> putAll(pop(2)); // SETITEM
      case 'u' -> putAll(popToMark()); // SETITEMS

      case 'q' -> memo.put((long) readUnsignedByte(), peek()); // BINPUT
      case 'r' -> memo.put(readUnsignedInt(), peek()); // LONG_BINPUT
      case 0x94 -> memo.put((long) memo.size(), peek()); // MEMOIZE
      case 'h' -> push(recall(readUnsignedByte())); // BINGET
      case 'j' -> push(recall(readUnsignedInt())); // LONG_BINGET

      case 'c' -> push(global(readLine(), readLine())); // GLOBAL
      case 0x93 -> { // STACK_GLOBAL
        List<Object> names = pop(2);
        push(global(expectText(names.getFirst()), expectText(names.getLast())));
      }
      case 'R', 0x81 -> { // REDUCE, NEWOBJ
        List<Object> call = pop(2);
        push(call(call.getFirst(), call.getLast()));
      }
      case 'b' -> { // BUILD
        // Attributes of an object, such as the versions that torch hangs on an OrderedDict: no part
        // of the weights.
        pop();
        if (!(peek() instanceof Dictionary)) {
          throw new FormatException(
              "its pickle sets attributes of %s, which no weights file needs"
                  .formatted(describe(peek())));
        }
      }
      case 'Q' -> push(vocabulary.persistent(pop())); // BINPERSID

      default ->
          throw new FormatException(
              "its pickle has the opcode 0x%02x at byte %d, which no weights file needs; the file is damaged or not a"
                      .formatted(opcode, opcodeAt)
                  + " state dict");
    }
  }

  /**
   * Counts work done, so that no pickle, however it refers to itself, takes more than a bounded
   * amount of it.
   */
  private void spend(int work) throws FormatException {
    steps += work;
    if (steps > MAX_STEPS || steps < 0) {
      throw new FormatException(
          "its pickle takes more than %d steps, far more than a state dict".formatted(MAX_STEPS));
    }
  }

  private void checkProtocol() throws FormatException {
    int protocol = readUnsignedByte();
    if (protocol < 2 || protocol > 5) {
      throw new FormatException("its pickle is of protocol %d, not 2 to 5".formatted(protocol));
    }
  }

  private Global global(String module, String name) throws FormatException {
    var global = new Global(module, name);
    if (!isBuiltIn(global) && !vocabulary.knows(global)) {
      throw new FormatException(
          "it asks for %s; refused, and nothing of the file was run. A state dict holds tensors only: save one with"
                  .formatted(Printable.of(global.toString()))
              + " torch.save(model.state_dict(), FILE)");
    }
    return global;
  }

  private static boolean isBuiltIn(Global global) {
    return switch (global.toString()) {
      case "collections.OrderedDict", "builtins.set", "__builtin__.set" -> true;
      default -> false;
    };
  }

  private Object call(Object callee, Object arguments) throws FormatException {
    if (!(callee instanceof Global global) || !(arguments instanceof Tuple tuple)) {
      throw new FormatException(
          "its pickle calls %s with %s".formatted(describe(callee), describe(arguments)));
    }
    if (!isBuiltIn(global)) {
      return vocabulary.call(global, tuple.items());
    }
    // Python 2 writes the items of an OrderedDict and of a set as a list, the only argument.
    List<Object> items = List.of();
    if (!tuple.items().isEmpty()) {
      if (tuple.items().size() != 1 || !(tuple.items().getFirst() instanceof Sequence sequence)) {
        throw new FormatException("its pickle makes a %s of no list".formatted(global));
      }
      items = sequence.items();
    }
    spend(items.size());
    if (!global.name().equals("OrderedDict")) {
      return sequence(items);
    }
    var keysAndValues = new ArrayList<Object>();
    for (Object item : items) {
      List<Object> pair =
          switch (item) {
            case Tuple t -> t.items();
            case Sequence s -> s.items();
            default -> List.of();
          };
      if (pair.size() != 2) {
        throw new FormatException("its pickle has an OrderedDict of something other than pairs");
      }
      keysAndValues.addAll(pair);
    }
    return dictionary(keysAndValues);
  }

  private static Sequence sequence(List<Object> items) {
    var sequence = new Sequence();
    sequence.items().addAll(items);
    return sequence;
  }

  private void append(List<Object> items) throws FormatException {
    if (!(peek() instanceof Sequence sequence)) {
      throw new FormatException("its pickle appends to " + describe(peek()));
    }
    sequence.items().addAll(items);
  }

  private static Dictionary dictionary(List<Object> keysAndValues) throws FormatException {
    var dictionary = new Dictionary();
    putAll(dictionary, keysAndValues);
    return dictionary;
  }

  private void putAll(List<Object> keysAndValues) throws FormatException {
    if (!(peek() instanceof Dictionary dictionary)) {
      throw new FormatException("its pickle sets items of " + describe(peek()));
    }
    putAll(dictionary, keysAndValues);
  }

  private static void putAll(Dictionary dictionary, List<Object> keysAndValues)
      throws FormatException {
    if (keysAndValues.size() % 2 != 0) {
      throw new FormatException("its pickle has a key without a value");
    }
    for (int i = 0; i < keysAndValues.size(); i += 2) {
      dictionary.entries().put(keysAndValues.get(i), keysAndValues.get(i + 1));
    }
  }

  private void push(Object value) {
    stack.add(value);
  }

  private void mark() {
    marks.add(stack.size());
  }

  /** Where the values above the last mark begin. */
  private int floor() {
    return marks.isEmpty() ? 0 : marks.getLast();
  }

  private Object peek() throws FormatException {
    if (stack.size() <= floor()) {
      throw new FormatException("its pickle takes values that it never made");
    }
    return stack.getLast();
  }

  private Object pop() throws FormatException {
    Object value = peek();
    stack.removeLast();
    return value;
  }

  private List<Object> pop(int count) throws FormatException {
    if (stack.size() - count < floor()) {
      throw new FormatException("its pickle takes values that it never made");
    }
    List<Object> top = stack.subList(stack.size() - count, stack.size());
    List<Object> values = new ArrayList<>(top);
    top.clear();
    return values;
  }

  private List<Object> popToMark() throws FormatException {
    if (marks.isEmpty()) {
      throw new FormatException("its pickle ends a group that it never began");
    }
    List<Object> values = pop(stack.size() - floor());
    marks.removeLast();
    return values;
  }

  private Object recall(long key) throws FormatException {
    Object value = memo.get(key);
    if (value == null) {
      throw new FormatException(
          "its pickle recalls entry %d, which it never stored".formatted(key));
    }
    return value;
  }

  private static String expectText(Object value) throws FormatException {
    if (value instanceof String text) {
      return text;
    }
    throw new FormatException(
        "its pickle has %s where a name should be".formatted(describe(value)));
  }

  /** What kind of value it is, in words; never its content, which may have no end. */
  static String describe(Object value) {
    return switch (value) {
      case Boolean _ -> "a bool";
      case Long _, BigInteger _ -> "an int";
      case Double _ -> "a float";
      case String _ -> "a str";
      case byte[] _ -> "bytes";
      case Tuple _ -> "a tuple";
      case Sequence _ -> "a list or set";
      case Dictionary _ -> "a dict";
      case Global global -> Printable.of(global.toString());
      case None _ -> "None";
      default -> "a " + value.getClass().getSimpleName();
    };
  }

  private int readUnsignedByte() throws FormatException {
    return Byte.toUnsignedInt(bytes.get(ValueLayout.JAVA_BYTE, skip(Byte.BYTES)));
  }

  private int readInt() throws FormatException {
    return bytes.get(INT, skip(Integer.BYTES));
  }

  private long readUnsignedInt() throws FormatException {
    return Integer.toUnsignedLong(readInt());
  }

  private long readLong() throws FormatException {
    return bytes.get(LONG, skip(Long.BYTES));
  }

  private Object integer(int length) throws FormatException {
    if (length < 0 || length > MAX_INTEGER) {
      throw new FormatException("its pickle has an integer of %d bytes".formatted(length));
    }
    if (length == 0) {
      return 0L;
    }
    byte[] littleEndian = take(length);
    byte[] bigEndian = new byte[length];
    for (int i = 0; i < length; i++) {
      bigEndian[i] = littleEndian[length - 1 - i];
    }
    var value = new BigInteger(bigEndian);
    return value.bitLength() < Long.SIZE ? (Object) value.longValue() : value;
  }

  private String text(long length) throws FormatException {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(take(length))).toString();
    } catch (CharacterCodingException e) {
      throw new FormatException("its pickle has a string that is not UTF-8", e);
    }
  }

  private String readLine() throws FormatException {
    var line = new StringBuilder();
    for (int c = readUnsignedByte(); c != '\n'; c = readUnsignedByte()) {
      if (line.length() == MAX_LINE) {
        throw new FormatException(
            "its pickle has a name of more than %d bytes".formatted(MAX_LINE));
      }
      line.append((char) c);
    }
    return line.toString();
  }

  private byte[] take(long length) throws FormatException {
    long from = skip(length);
    return bytes.asSlice(from, length).toArray(ValueLayout.JAVA_BYTE);
  }

  /** Moves past {@code count} bytes, which it makes sure are there. */
  private long skip(long count) throws FormatException {
    long from = at;
    if (count < 0 || count > bytes.byteSize() - from) {
      throw new FormatException(
          "its pickle is cut off at byte %d; fetch the file again".formatted(from));
    }
    if (from + count > MAX_BYTES) {
      throw new FormatException(
          "its pickle is longer than %d MiB, far more than a state dict"
              .formatted(MAX_BYTES >> 20));
    }
    at = from + count;
    return from;
  }
}
