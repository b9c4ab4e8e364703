package dev.shortcut.bindings.library;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Libraries that lie in a jar, for Linux on x86-64. A file {@value #MANIFEST} beside them, as
 * {@code sha256sum} writes it, names them and their hashes. They are unpacked once for each content
 * into a folder of the user's own, and a file that is already there is taken only if its owner and
 * its hash are right.
 *
 * @param main the file that is opened; the others are found by the loader because they lie beside
 *     it
 * @param resources how the jar is read
 */
public record LibraryBundle(String main, Resources resources) {
  /** The name of the list of files and hashes. */
  public static final String MANIFEST = "SHA256SUMS";

  /** File names are plain: nothing that leads out of the folder. */
  private static final Pattern LINE =
      Pattern.compile("([0-9a-f]{64}) [ *]([A-Za-z0-9_][A-Za-z0-9_.+-]*)");

  /** Files of a jar by their names. */
  @FunctionalInterface
  public interface Resources {
    /**
     * Opens a file; null if there is none of that name.
     *
     * @throws IOException if it is there and cannot be read
     */
    @Nullable InputStream open(String file) throws IOException;
  }

  /** Why these libraries cannot be used here at all; empty where they can. */
  Optional<String> unusable() {
    String system = System.getProperty("os.name", "");
    String processor = System.getProperty("os.arch", "");
    if (!system.equals("Linux") || !(processor.equals("amd64") || processor.equals("x86_64"))) {
      return Optional.of(
          "it is for Linux on x86-64 only, and this is %s on %s".formatted(system, processor));
    }
    try (InputStream manifest = resources.open(MANIFEST)) {
      return manifest == null
          ? Optional.of(
              "the jar with the libraries (classifier linux-x86_64) is not on the class path or module path")
          : Optional.empty();
    } catch (IOException e) {
      return Optional.of("the jar with the libraries cannot be read: " + e.getMessage());
    }
  }

  /** Puts the libraries into a folder named by their content and returns the main one. */
  Path unpack(CacheFolder cache) throws IOException {
    Map<String, String> hashes = manifest();
    if (!hashes.containsKey(main)) {
      throw new IOException("%s does not name %s".formatted(MANIFEST, main));
    }
    Path folder = cache.privateFolder("natives-" + contentHash(hashes));
    for (Map.Entry<String, String> entry : hashes.entrySet()) {
      Path file = folder.resolve(entry.getKey());
      if (!CacheFolder.isOwnFile(file) || !hash(file).equals(entry.getValue())) {
        unpack(entry.getKey(), entry.getValue(), file);
      }
    }
    return folder.resolve(main);
  }

  private Map<String, String> manifest() throws IOException {
    Map<String, String> hashes = new LinkedHashMap<>();
    try (InputStream in = require(MANIFEST);
        var lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        Matcher matcher = LINE.matcher(line);
        if (!matcher.matches()) {
          throw new IOException(
              "%s has a line that is no hash and file name: %s".formatted(MANIFEST, line));
        }
        hashes.put(matcher.group(2), matcher.group(1));
      }
    }
    return hashes;
  }

  private void unpack(String name, String expected, Path file) throws IOException {
    CacheFolder.replace(
        file,
        PosixFilePermissions.fromString("rwx------"),
        out -> {
          MessageDigest digest = sha256();
          try (InputStream in = new DigestInputStream(require(name), digest)) {
            in.transferTo(out);
          }
          String actual = HexFormat.of().formatHex(digest.digest());
          if (!actual.equals(expected)) {
            throw new IOException(
                "%s in the jar is damaged: its SHA-256 is %s instead of %s"
                    .formatted(name, actual, expected));
          }
        });
  }

  private InputStream require(String name) throws IOException {
    InputStream in = resources.open(name);
    if (in == null) {
      throw new IOException("the jar with the libraries has no " + name);
    }
    return in;
  }

  private static String hash(Path file) throws IOException {
    MessageDigest digest = sha256();
    try (InputStream in = new DigestInputStream(Files.newInputStream(file), digest)) {
      in.transferTo(OutputStream.nullOutputStream());
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static String contentHash(Map<String, String> hashes) {
    byte[] digest = sha256().digest(hashes.toString().getBytes(StandardCharsets.UTF_8));
    return HexFormat.of().formatHex(digest, 0, 8);
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
