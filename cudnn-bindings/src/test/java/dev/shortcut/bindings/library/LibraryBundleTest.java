package dev.shortcut.bindings.library;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LibraryBundleTest {
  private static final byte[] MAIN = bytes("main library");
  private static final byte[] OTHER = bytes("another library");

  @TempDir Path temporary;

  private final Map<String, byte[]> jar =
      new TreeMap<>(Map.of("libmain.so.1", MAIN, "libother.so", OTHER));
  private final LibraryBundle bundle =
      new LibraryBundle(
          "libmain.so.1",
          file -> {
            byte[] content =
                file.equals(LibraryBundle.MANIFEST) ? bytes(manifest()) : jar.get(file);
            return content == null ? null : new ByteArrayInputStream(content);
          });

  private String manifest = "";

  @Test
  void filesAreUnpackedIntoAFolderThatOnlyTheUserCanEnter() throws IOException {
    Path main = bundle.unpack(cache());
    assertArrayEquals(MAIN, Files.readAllBytes(main));
    assertArrayEquals(OTHER, Files.readAllBytes(main.resolveSibling("libother.so")));
    assertEquals("rwx------", permissions(main.getParent()));
    assertEquals(List.of("libmain.so.1", "libother.so"), names(main.getParent()));
  }

  @Test
  void aSecondUseTakesWhatIsThere() throws IOException {
    Path main = bundle.unpack(cache());
    FileTime old = FileTime.fromMillis(1_000_000);
    Files.setLastModifiedTime(main, old);
    assertEquals(main, bundle.unpack(cache()));
    assertEquals(old, Files.getLastModifiedTime(main));
  }

  @Test
  void otherContentGoesToAnotherFolder() throws IOException {
    Path first = bundle.unpack(cache());
    jar.put("libother.so", bytes("a newer library"));
    assertNotEquals(first, bundle.unpack(cache()));
  }

  @Test
  void aFileWithOtherContentIsReplaced() throws IOException {
    Path main = bundle.unpack(cache());
    Files.write(main, bytes("evil library"));
    assertArrayEquals(MAIN, Files.readAllBytes(bundle.unpack(cache())));
  }

  @Test
  void aFileThatOthersCanWriteIsReplaced() throws IOException {
    Path main = bundle.unpack(cache());
    Files.setPosixFilePermissions(main, PosixFilePermissions.fromString("rwxrwxrwx"));
    bundle.unpack(cache());
    assertEquals("rwx------", permissions(main));
  }

  @Test
  void aLinkInPlaceOfAFileIsReplacedAndItsTargetLeftAlone() throws IOException {
    Path main = bundle.unpack(cache());
    Path target = Files.write(temporary.resolve("target"), MAIN);
    Files.delete(main);
    Files.createSymbolicLink(main, target);
    bundle.unpack(cache());
    assertTrue(!Files.isSymbolicLink(main));
    assertArrayEquals(MAIN, Files.readAllBytes(target));
  }

  @Test
  void aFolderThatOthersCanEnterIsRefused() throws IOException {
    Path folder = bundle.unpack(cache()).getParent();
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxrwxrwx"));
    assertContains(
        assertThrows(IOException.class, () -> bundle.unpack(cache())),
        "rwxrwxrwx",
        "must be rwx------");
  }

  @Test
  void aFolderThatOthersCanRenameIsRefused() throws IOException {
    Path open = Files.createDirectory(temporary.resolve("open"));
    Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
    var cache = new CacheFolder("test", open.resolve("cache"));
    assertContains(
        assertThrows(IOException.class, () -> bundle.unpack(cache)), "every user may rename");
  }

  @Test
  void aFolderOfAnotherUserIsRefused() throws IOException {
    Path folder = bundle.unpack(cache()).getParent();
    try {
      Files.setAttribute(folder, "unix:uid", 12345);
    } catch (IOException e) {
      Assumptions.abort("only root can give a folder to another user: " + e.getMessage());
    }
    assertContains(
        assertThrows(IOException.class, () -> bundle.unpack(cache())), "belongs to another user");
  }

  @Test
  void aFileInPlaceOfTheFolderIsReportedWithTheRemedy() throws IOException {
    Path file = Files.writeString(temporary.resolve("file"), "");
    var cache = new CacheFolder("test", file);
    IOException e = assertThrows(IOException.class, () -> bundle.unpack(cache));
    assertTrue(CacheFolder.explain(e).contains("-Dshortcut.cache=FOLDER"), CacheFolder.explain(e));
  }

  @Test
  void aFolderThatCannotBeWrittenIsReportedWithTheRemedy() {
    // Not even root can make a folder there.
    var cache = new CacheFolder("test", Path.of("/proc/shortcut"));
    IOException e = assertThrows(IOException.class, () -> bundle.unpack(cache));
    assertTrue(CacheFolder.explain(e).contains("-Dshortcut.cache=FOLDER"), CacheFolder.explain(e));
  }

  @Test
  void aDamagedJarLeavesNothingBehind() throws IOException {
    manifest = manifest();
    jar.put("libother.so", bytes("another librarz"));
    assertContains(
        assertThrows(IOException.class, () -> bundle.unpack(cache())), "libother.so", "damaged");
    try (Stream<Path> folders = Files.list(temporary.resolve("cache"))) {
      assertEquals(List.of("libmain.so.1"), names(folders.findFirst().orElseThrow()));
    }
  }

  @Test
  void aNameThatLeadsOutOfTheFolderIsRefused() {
    manifest = manifest() + "0".repeat(64) + "  ../../evil.so\n";
    assertContains(assertThrows(IOException.class, () -> bundle.unpack(cache())), "../../evil.so");
  }

  @Test
  void anAbsentJarIsNamed() {
    var search =
        NativeLibrary.find("oneDNN", "dnnl_version")
            .bundled(new LibraryBundle("libdnnl.so.3", _ -> null));
    var e = assertThrows(LibraryException.class, search::load);
    assertContains(e, "classifier linux-x86_64");
  }

  @Test
  void manyAtOnceAllGetTheWholeFile() throws Exception {
    jar.put("libmain.so.1", new byte[3_000_000]);
    try (ExecutorService executor = Executors.newFixedThreadPool(8)) {
      Callable<Long> unpack = () -> Files.size(bundle.unpack(cache()));
      for (Future<Long> size : executor.invokeAll(java.util.Collections.nCopies(16, unpack))) {
        assertEquals(3_000_000, size.get());
      }
    }
  }

  @Test
  void aFolderMountedNoexecIsNamedAsSuch() throws Exception {
    Path mount = Files.createDirectory(temporary.resolve("noexec"));
    Assumptions.assumeTrue(
        run("mount", "-t", "tmpfs", "-o", "noexec,mode=0755", "tmpfs", mount.toString()),
        "only root outside of a container may mount a file system");
    try {
      Path maths =
          Path.of(NativeLibrary.find("maths", "floor").sonames("libm.so.6").load().location());
      jar.put("libmain.so.1", Files.readAllBytes(maths));
      Path file = bundle.unpack(new CacheFolder("test", mount));
      var search = NativeLibrary.find("maths", "floor").file("test", file);
      assertContains(
          assertThrows(LibraryException.class, search::load), "noexec", "-Dshortcut.cache=FOLDER");
    } finally {
      run("umount", "--lazy", mount.toString());
    }
  }

  private CacheFolder cache() {
    return new CacheFolder("test", temporary.resolve("cache"));
  }

  private String manifest() {
    if (!manifest.isEmpty()) {
      return manifest;
    }
    var lines = new StringBuilder();
    jar.forEach(
        (name, content) -> lines.append(sha256(content)).append("  ").append(name).append('\n'));
    return lines.toString();
  }

  private static String sha256(byte[] content) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    } catch (java.security.NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  private static boolean run(String... command) throws InterruptedException {
    try {
      return new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start()
              .waitFor()
          == 0;
    } catch (IOException e) {
      return false;
    }
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  private static String permissions(Path file) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static void assertContains(Exception e, String... parts) {
    String message = String.valueOf(e.getMessage());
    for (String part : parts) {
      assertTrue(message.contains(part), () -> "no \"" + part + "\" in: " + message);
    }
  }
}
