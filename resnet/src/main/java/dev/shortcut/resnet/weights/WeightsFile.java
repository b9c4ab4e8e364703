package dev.shortcut.resnet.weights;

import dev.shortcut.engine.ModelException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Collections;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * The weights in a file: safetensors, or what PyTorch's {@code torch.save} writes, in both of its
 * formats. Which it is is seen from the first bytes, not from the name.
 *
 * <p>The file is memory-mapped and stays as it is; tensors are converted when they are read. Float,
 * half, bfloat16, double and integer elements are understood. Of a checkpoint, the state dict in it
 * is taken ({@code state_dict}, {@code model_state_dict}, {@code model} or {@code net}); a prefix
 * that all names share because of a wrapper ({@code module.}, {@code _orig_mod.}, {@code model.},
 * {@code net.}) is left away, and so is {@code num_batches_tracked}, which plays no part at
 * inference.
 *
 * <p>Safe for use by several threads until closed.
 */
public final class WeightsFile implements WeightsSource {
  /** How weights lie in a file. */
  public enum Format {
    /** A JSON header and the tensors' bytes. */
    SAFETENSORS,
    /** A zip archive, as {@code torch.save} writes since PyTorch 1.6. */
    PYTORCH_ZIP,
    /** Pickles and storages one behind the other, as {@code torch.save} wrote before. */
    PYTORCH_LEGACY
  }

  /** What wrappers put before every name: DataParallel, torch.compile, Lightning and others. */
  private static final List<String> PREFIXES = List.of("module.", "_orig_mod.", "model.", "net.");

  private static final String TRAINING_ONLY = "num_batches_tracked";
  private static final long HASH_STEP = 16L << 20;

  private final String description;
  private final Format format;
  private final MemorySegment file;
  private final Arena arena;
  private final Map<String, StoredTensor> tensors;
  private final AtomicBoolean closed = new AtomicBoolean();
  private volatile @Nullable String fingerprint;

  private WeightsFile(
      String description,
      Format format,
      MemorySegment file,
      Arena arena,
      Map<String, StoredTensor> tensors) {
    this.description = description;
    this.format = format;
    this.file = file;
    this.arena = arena;
    this.tensors = tensors;
  }

  /**
   * Opens a file and checks that everything it claims is in it; reads no tensor yet.
   *
   * @throws ModelException if it cannot be read, is of another format, is damaged, or asks for code
   *     to be run
   */
  @SuppressWarnings("MustBeClosedChecker") // the weights own it
  public static WeightsFile open(Path path) {
    Arena arena = Arena.ofShared();
    try {
      return parse(path.toString(), map(path, arena), arena);
    } catch (Throwable t) {
      arena.close();
      throw t;
    }
  }

  /**
   * The weights in {@code content}, which must not change until this source is closed.
   *
   * @param description what messages call it
   * @param content the bytes of a whole file
   * @throws ModelException as {@link #open}
   */
  @SuppressWarnings("MustBeClosedChecker") // the weights own it
  public static WeightsFile of(String description, byte[] content) {
    Arena arena = Arena.ofShared();
    try {
      // In native memory, so that use after close fails as it does with a file.
      MemorySegment file = arena.allocate(Math.max(content.length, 1)).asSlice(0, content.length);
      MemorySegment.copy(content, 0, file, ValueLayout.JAVA_BYTE, 0, content.length);
      return parse(description, file.asReadOnly(), arena);
    } catch (Throwable t) {
      arena.close();
      throw t;
    }
  }

  private static MemorySegment map(Path path, Arena arena) {
    if (Files.exists(path) && !Files.isRegularFile(path)) {
      throw unreadable(path.toString(), "it is not a regular file", null);
    }
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    } catch (NoSuchFileException e) {
      throw unreadable(path.toString(), "there is no such file", e);
    } catch (AccessDeniedException e) {
      throw unreadable(path.toString(), "this user may not read it", e);
    } catch (IOException e) {
      throw unreadable(path.toString(), String.valueOf(e.getMessage()), e);
    }
  }

  private static WeightsFile parse(String description, MemorySegment file, Arena arena) {
    try {
      Format format = detect(file);
      Map<String, StoredTensor> found =
          switch (format) {
            case SAFETENSORS -> Safetensors.read(file);
            case PYTORCH_ZIP -> PyTorchZip.read(file);
            case PYTORCH_LEGACY -> PyTorchLegacy.read(file);
          };
      return new WeightsFile(description, format, file, arena, tidy(found));
    } catch (FormatException e) {
      throw unreadable(description, String.valueOf(e.getMessage()), e);
    } catch (InternalError e) {
      throw changed(description, e);
    }
  }

  private static Format detect(MemorySegment file) throws FormatException {
    if (PyTorchZip.matches(file)) {
      return Format.PYTORCH_ZIP;
    }
    if (PyTorchLegacy.matches(file)) {
      return Format.PYTORCH_LEGACY;
    }
    if (Safetensors.matches(file)) {
      return Format.SAFETENSORS;
    }
    throw new FormatException(
        "%s; weights are read from safetensors and from files of PyTorch's torch.save"
            .formatted(strangeness(file)));
  }

  /** What a file of none of the formats is, as far as its first bytes tell. */
  private static String strangeness(MemorySegment file) {
    if (file.byteSize() == 0) {
      return "it is empty";
    }
    String beginning =
        new String(
            file.asSlice(0, Math.min(file.byteSize(), 512)).toArray(ValueLayout.JAVA_BYTE),
            StandardCharsets.ISO_8859_1);
    if (beginning.startsWith("version https://git-lfs")) {
      return "it is the pointer that Git LFS leaves in place of a file; run git lfs pull";
    }
    if (beginning.startsWith("ustar", 257)) {
      return "it is a tar archive, the format of PyTorch before 0.1.10; load and save it with a newer PyTorch";
    }
    if (beginning.startsWith("\u0080\u0002") || beginning.startsWith("\u0080\u0004")) {
      return "it is a Python pickle, but not one of torch.save";
    }
    if (beginning.startsWith("\u001f\u008b")) {
      return "it is compressed with gzip; unpack it first";
    }
    if (beginning.startsWith("\u0089HDF")) {
      return "it is an HDF5 file";
    }
    if (beginning.startsWith("GGUF")) {
      return "it is a GGUF file";
    }
    if (beginning.stripLeading().startsWith("<")) {
      return "it is a web page or XML, perhaps an error message in place of a download";
    }
    return "it is of no known format";
  }

  private static Map<String, StoredTensor> tidy(Map<String, StoredTensor> found) {
    String prefix = "";
    boolean longer = true;
    while (longer) {
      longer = false;
      for (String candidate : PREFIXES) {
        String all = prefix + candidate;
        if (!found.isEmpty() && found.keySet().stream().allMatch(name -> name.startsWith(all))) {
          prefix = all;
          longer = true;
          break;
        }
      }
    }
    Map<String, StoredTensor> tensors = new LinkedHashMap<>();
    for (var entry : found.entrySet()) {
      String name = entry.getKey().substring(prefix.length());
      if (!name.equals(TRAINING_ONLY) && !name.endsWith("." + TRAINING_ONLY)) {
        tensors.put(name, entry.getValue());
      }
    }
    return Collections.unmodifiableMap(tensors);
  }

  /** How the weights lie in the file. */
  public Format format() {
    return format;
  }

  @Override
  public String description() {
    return description;
  }

  @Override
  public Set<String> names() {
    checkOpen();
    return tensors.keySet();
  }

  @Override
  public List<Integer> dims(String name) {
    return tensor(name).dims();
  }

  /**
   * {@inheritDoc}
   *
   * @throws ModelException if the elements are of a type that is not understood, or the file was
   *     changed while it was open
   */
  @Override
  public void read(String name, MemorySegment target) {
    StoredTensor tensor = convertible(name);
    long bytes = tensor.elements() * Float.BYTES;
    if (target.byteSize() < bytes) {
      throw new IllegalArgumentException(
          "%s takes %d bytes, but the target has %d".formatted(name, bytes, target.byteSize()));
    }
    try {
      tensor.read(target);
    } catch (InternalError e) {
      throw changed(description, e);
    }
  }

  @Override
  public float[] read(String name) {
    // Before anything of the size that the file claims is allocated.
    convertible(name);
    return WeightsSource.super.read(name);
  }

  private StoredTensor convertible(String name) {
    StoredTensor tensor = tensor(name);
    if (tensor.type() == null) {
      throw new ModelException(
          "cannot read %s from %s: its elements are %s, which this version does not understand; convert it to float32"
              .formatted(name, description, tensor.typeName()));
    }
    return tensor;
  }

  private StoredTensor tensor(String name) {
    checkOpen();
    StoredTensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new NoSuchElementException("%s has no tensor called %s".formatted(description, name));
    }
    return tensor;
  }

  /** The SHA-256 of the file's bytes. */
  @Override
  public String fingerprint() {
    checkOpen();
    String known = fingerprint;
    if (known == null) {
      known = sha256();
      fingerprint = known;
    }
    return known;
  }

  private String sha256() {
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
    try {
      for (long at = 0; at < file.byteSize(); at += HASH_STEP) {
        digest.update(file.asSlice(at, Math.min(HASH_STEP, file.byteSize() - at)).asByteBuffer());
      }
    } catch (InternalError e) {
      throw changed(description, e);
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private void checkOpen() {
    if (closed.get()) {
      throw new IllegalStateException(description + " is closed");
    }
  }

  /** Unmaps the file; idempotent. */
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      arena.close();
    }
  }

  private static ModelException unreadable(
      String description, String reason, @Nullable Throwable cause) {
    String message = "cannot read weights from %s: %s".formatted(description, reason);
    return cause == null ? new ModelException(message) : new ModelException(message, cause);
  }

  // The JVM turns the signal for a mapped page that is gone into an InternalError.
  private static ModelException changed(String description, InternalError cause) {
    return unreadable(description, "it became shorter or unreadable while it was open", cause);
  }
}
