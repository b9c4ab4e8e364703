package dev.shortcut.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import java.io.IOException;
import java.io.InputStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NativesTest {
  private static final String FOLDER = "dev/shortcut/engine/natives/linux_x86_64/";

  @ParameterizedTest
  @ValueSource(strings = {"libdnnl.so.3", "libgomp.so.1"})
  void theBundledLibrariesAreElfFiles(String name) throws IOException {
    try (InputStream in = resource(name)) {
      assertArrayEquals(new byte[] {0x7f, 'E', 'L', 'F'}, in.readNBytes(4));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "oneDNN-LICENSE.txt",
        "oneDNN-THIRD-PARTY-PROGRAMS.txt",
        "libgomp-GPL-3.0.txt",
        "libgomp-GCC-RUNTIME-LIBRARY-EXCEPTION-3.1.txt"
      })
  void theirLicencesComeWithThem(String name) throws IOException {
    resource("licenses/" + name).close();
  }

  private static InputStream resource(String name) {
    InputStream in = NativesTest.class.getClassLoader().getResourceAsStream(FOLDER + name);
    assertNotNull(in, FOLDER + name + " is not on the class path");
    return in;
  }
}
