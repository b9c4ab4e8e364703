package dev.shortcut.resnet.weights;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipFile;

/**
 * What {@code torch.save} writes since 1.6: a zip archive whose {@code data.pkl} describes the
 * tensors and whose {@code data/KEY} are the storages. Entries are stored, not compressed, so that
 * the tensors are views of the file and nothing is unpacked.
 */
final class PyTorchZip {
  /**
   * Bytes of the archive's directory and of its entries' headers; ResNet-1202 has two megabytes of
   * them.
   */
  private static final long MAX_DIRECTORY = 16L << 20;

  private static final String PICKLE = "data.pkl";

  /** An entry of torch 2.1 and later; what is older is little endian wherever it was written. */
  private static final String BYTE_ORDER = "byteorder";

  private PyTorchZip() {}

  /** Whether the file begins as a zip archive does. */
  static boolean matches(MemorySegment file) {
    return file.byteSize() > Integer.BYTES
        && file.get(ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN), 0)
            == 0x504b0304;
  }

  /** Finds the tensors of a file; they are views of {@code file}. */
  static Map<String, StoredTensor> read(MemorySegment file) throws FormatException {
    Map<String, ZipArchiveEntry> entries = entries(file);
    String folder = folder(entries);
    if (entries.containsKey(folder + "constants.pkl")) {
      throw new FormatException(
          "it is a TorchScript program, not a state dict; save one with"
              + " torch.save(torch.jit.load(FILE).state_dict(), OTHER)");
    }
    var vocabulary = new TorchVocabulary();
    Object root = new Pickle(content(file, entries, folder + PICKLE), vocabulary).load();
    ByteOrder order = ByteOrder.LITTLE_ENDIAN;
    if (entries.containsKey(folder + BYTE_ORDER)) {
      order = byteOrder(content(file, entries, folder + BYTE_ORDER));
    }
    for (var storage : vocabulary.storages().entrySet()) {
      storage.getValue().fill(content(file, entries, folder + "data/" + storage.getKey()), order);
    }
    return StateDict.tensors(root);
  }

  private static Map<String, ZipArchiveEntry> entries(MemorySegment file) throws FormatException {
    Map<String, ZipArchiveEntry> entries = new HashMap<>();
    try (ZipFile zip =
        ZipFile.builder()
            .setSeekableByteChannel(new SegmentChannel(file, MAX_DIRECTORY))
            .setUseUnicodeExtraFields(false)
            .get()) {
      for (ZipArchiveEntry entry : Collections.list(zip.getEntries())) {
        if (entries.put(entry.getName(), entry) != null) {
          throw new FormatException("it has two entries " + Printable.of(entry.getName()));
        }
      }
    } catch (IOException | RuntimeException e) {
      // The library answers some damaged archives with unchecked exceptions.
      throw new FormatException(
          "it is not a whole zip archive, fetch it again (%s)"
              .formatted(Printable.of(String.valueOf(e.getMessage()))),
          e);
    }
    return entries;
  }

  private static MemorySegment content(
      MemorySegment file, Map<String, ZipArchiveEntry> entries, String name)
      throws FormatException {
    ZipArchiveEntry entry = entries.get(name);
    if (entry == null) {
      throw new FormatException("its entry %s is missing".formatted(Printable.of(name)));
    }
    if (entry.getMethod() != ZipArchiveEntry.STORED
        || entry.getGeneralPurposeBit().usesEncryption()) {
      throw new FormatException(
          "its entry %s is compressed or encrypted, which torch.save never does; unpack the archive and pack it with"
                  .formatted(Printable.of(name))
              + " zip -0, or save it again");
    }
    long size = entry.getSize();
    long from = entry.getDataOffset();
    if (size < 0
        || size != entry.getCompressedSize()
        || from < 0
        || from > file.byteSize() - size) {
      throw new FormatException(
          "its entry %s claims %d bytes from byte %d on in a file of %d; fetch it again"
              .formatted(Printable.of(name), size, from, file.byteSize()));
    }
    return file.asSlice(from, size);
  }

  /** The one folder that torch.save puts everything into. */
  private static String folder(Map<String, ZipArchiveEntry> entries) throws FormatException {
    var folders =
        entries.keySet().stream()
            .filter(name -> name.equals(PICKLE) || name.endsWith("/" + PICKLE))
            .toList();
    if (folders.size() != 1) {
      throw new FormatException(
          "it is a zip archive, but not one of torch.save: %d entries in it are called data.pkl"
              .formatted(folders.size()));
    }
    String name = folders.getFirst();
    return name.substring(0, name.length() - PICKLE.length());
  }

  private static ByteOrder byteOrder(MemorySegment content) throws FormatException {
    String order =
        new String(
            content.asSlice(0, Math.min(content.byteSize(), 16)).toArray(ValueLayout.JAVA_BYTE),
            StandardCharsets.ISO_8859_1);
    return switch (order) {
      case "little" -> ByteOrder.LITTLE_ENDIAN;
      case "big" -> ByteOrder.BIG_ENDIAN;
      default -> throw new FormatException("its byte order is called " + Printable.of(order));
    };
  }
}
