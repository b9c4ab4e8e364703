package dev.shortcut.resnet.batch;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What the fuzzer calls: whatever bytes a file consists of, all of its rows are read or refused.
 */
public final class NpyFuzz {
  private static final Path FILE;

  static {
    try {
      FILE = Files.createTempFile("fuzz", ".npy");
      FILE.toFile().deleteOnExit();
    } catch (IOException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private NpyFuzz() {}

  /** Lets nothing through but a refusal. */
  public static void fuzzerTestOneInput(byte[] bytes) throws IOException {
    Files.write(FILE, bytes);
    try (NpyReader reader = NpyReader.open(FILE)) {
      // The header is checked against the file's size: there is never more to read than that.
      byte[] all = new byte[bytes.length];
      reader.readAll(MemorySegment.ofArray(all));
      if (!reader.dims().isEmpty()) {
        byte[] byRows = new byte[bytes.length];
        reader.read(0, reader.dims().getFirst(), MemorySegment.ofArray(byRows));
        if (!java.util.Arrays.equals(all, byRows)) {
          throw new AssertionError("rows differ from the whole");
        }
      }
    } catch (InputException refused) {
      if (!refused.getMessage().contains(FILE.toString())) {
        throw new AssertionError("the file is not named", refused);
      }
    }
  }
}
