package dev.shortcut.resnet.weights;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.nio.ByteOrder;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * What {@code torch.save} wrote before 1.6, and still writes when asked to: pickles of a magic
 * number, of the protocol's version, of facts about the machine, of the object and of the storages'
 * keys; then each storage, its number of elements (64 bits) before it. Tensors are views of the
 * file.
 */
final class PyTorchLegacy {
  private static final BigInteger MAGIC = new BigInteger("1950a86a20f9469cfc6c", 16);
  private static final byte[] BEGINNING = {(byte) 0x80, 2, (byte) 0x8a, 10, 0x6c, (byte) 0xfc};
  private static final long VERSION = 1001;
  private static final ValueLayout.OfLong COUNT =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private PyTorchLegacy() {}

  /** Whether the file begins with the pickled magic number. */
  static boolean matches(MemorySegment file) {
    return file.byteSize() > BEGINNING.length
        && file.asSlice(0, BEGINNING.length).mismatch(MemorySegment.ofArray(BEGINNING)) < 0;
  }

  /** Finds the tensors of a file; they are views of {@code file}. */
  static Map<String, StoredTensor> read(MemorySegment file) throws FormatException {
    var vocabulary = new TorchVocabulary();
    var pickle = new Pickle(file, vocabulary);
    if (!MAGIC.equals(pickle.load())) {
      throw new FormatException("its magic number is damaged; fetch it again");
    }
    if (!Long.valueOf(VERSION).equals(pickle.load())) {
      throw new FormatException(
          "it is of another version than %d of PyTorch's older format".formatted(VERSION));
    }
    pickle.load(); // facts about the machine that wrote it; storages are little endian whatever it
    // was
    Object root = pickle.load();
    fill(vocabulary.storages(), pickle.load(), file, pickle.position());
    return StateDict.tensors(root);
  }

  private static void fill(
      Map<String, TorchVocabulary.Storage> storages, Object keys, MemorySegment file, long from)
      throws FormatException {
    if (!(keys instanceof Pickle.Sequence list)) {
      throw new FormatException("it does not list its storages");
    }
    Set<Object> seen = new HashSet<>();
    long at = from;
    for (Object key : list.items()) {
      if (!(key instanceof String name) || !seen.add(name) || !storages.containsKey(name)) {
        throw new FormatException("its list of storages is not that of its tensors");
      }
      TorchVocabulary.Storage storage = storages.get(name);
      if (storage.byteSize() > file.byteSize() - at - Long.BYTES) {
        throw new FormatException(
            "its storage %s needs %d bytes, but the file ends before that; it is cut off, fetch it again"
                .formatted(Printable.of(name), storage.byteSize()));
      }
      if (file.get(COUNT, at) != storage.elements()) {
        throw new FormatException(
            "its storage %s is of another size than its tensors say".formatted(Printable.of(name)));
      }
      at += Long.BYTES;
      storage.fill(file.asSlice(at, storage.byteSize()), ByteOrder.LITTLE_ENDIAN);
      at += storage.byteSize();
    }
  }
}
