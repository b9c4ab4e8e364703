package dev.shortcut.engine.backend.onednn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.engine.DeviceUnavailableException;
import dev.shortcut.engine.LibraryReport;
import dev.shortcut.testing.TestGroup;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OneDnnLibraryTest {
  @TempDir Path folder;

  @Test
  void theLibraryIsOpenedOnceAndUnpackedPrivately() {
    OneDnn oneDnn = bundled();
    assertSame(oneDnn, OneDnnLibrary.open(null));
    assertEquals(3, oneDnn.version().major());
  }

  @Test
  void aReportNamesTheFileAndThePlacesThatWereTried() {
    OneDnn oneDnn = bundled();
    LibraryReport report = OneDnnLibrary.examine();
    assertTrue(report.usable(), report.detail());
    assertTrue(report.detail().contains(oneDnn.library().location()), report.detail());
    assertEquals(oneDnn.library().attempts().size(), report.tried().size());
    assertTrue(report.tried().getLast().endsWith(": opened"), report.tried().getLast());
  }

  @Test
  void aReportOfAFailedSearchSaysWhyEachPlaceWasPassedOver() {
    String before = System.setProperty(OneDnnLibrary.PROPERTY, folder.resolve("gone").toString());
    try {
      LibraryReport report = OneDnnLibrary.examine();
      assertFalse(report.usable());
      assertTrue(report.tried().getLast().contains("No such file"), report.tried().toString());
    } finally {
      if (before == null) {
        System.clearProperty(OneDnnLibrary.PROPERTY);
      } else {
        System.setProperty(OneDnnLibrary.PROPERTY, before);
      }
    }
  }

  @Test
  void aFileThatIsNotThereIsNamedAndNothingElseIsTried() {
    Path file = folder.resolve("libdnnl.so.3");
    assertRefused(file, file.toString(), "No such file or directory");
  }

  @Test
  void anotherLibraryIsRefused() {
    Path maths =
        Path.of(NativeLibrary.find("maths", "floor").sonames("libm.so.6").load().location());
    assertRefused(maths, maths.toString(), "no function dnnl_version");
  }

  @Test
  @Tag("native")
  void anotherVersionIsRefusedWithTheOnesThatWillDo() throws Exception {
    assertRefused(stub("2, 7, 0, 0, 2, 0"), "version 2.7.0", "3.4 or a later 3.x");
    assertRefused(stub("3, 1, 2, 0, 2, 0"), "version 3.1.2", "3.4 or a later 3.x");
    assertRefused(stub("4, 0, 0, 0, 2, 0"), "version 4.0.0", "3.4 or a later 3.x");
  }

  @Test
  @Tag("native")
  void aLibraryWithItsOwnThreadPoolIsRefused() throws Exception {
    assertRefused(stub("3, 13, 0, 0, 8, 0"), "OpenMP");
  }

  @Test
  @Tag("native")
  void aLibraryThatLacksAFunctionIsRefusedWithItsName() throws Exception {
    assertRefused(stub("3, 13, 0, 0, 2, 0"), "has no function dnnl_");
  }

  static OneDnn bundled() {
    try {
      return OneDnnLibrary.open(null);
    } catch (DeviceUnavailableException e) {
      return Assumptions.abort(e.getMessage());
    }
  }

  /** A library that has nothing but a version. */
  private Path stub(String version) throws IOException, InterruptedException {
    Path source =
        Files.writeString(
            folder.resolve("stub.c"),
            """
            static struct { int major, minor, patch; const char *hash; unsigned cpu, gpu; }
                version = { %s };
            const void *dnnl_version(void) { return &version; }
            """
                .formatted(version));
    Path library = Files.createTempFile(folder, "libdnnl", ".so");
    Process cc;
    try {
      cc =
          new ProcessBuilder("cc", "-shared", "-fPIC", "-o", library.toString(), source.toString())
              .redirectErrorStream(true)
              .start();
    } catch (IOException e) {
      return TestGroup.NATIVE.missing("needs a C compiler: " + e.getMessage());
    }
    String output = new String(cc.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, cc.waitFor(), output);
    return library;
  }

  private static void assertRefused(Path file, String... parts) {
    var e = assertThrows(DeviceUnavailableException.class, () -> OneDnnBackend.open(file));
    String message = String.valueOf(e.getMessage());
    for (String part : parts) {
      assertTrue(message.contains(part), () -> "no \"" + part + "\" in: " + message);
    }
  }
}
