package dev.shortcut.bindings.library;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.testing.TestGroup;
import java.io.IOException;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LibrarySearchTest {
  private static final String MATHS = "libm.so.6";

  @TempDir Path folder;

  @Test
  void theSystemsLoaderFindsALibraryAndItsFunctionsCanBeCalled() throws Throwable {
    NativeLibrary maths =
        NativeLibrary.find("maths", "floor").sonames("libnosuch.so.9", MATHS).load();
    MethodHandle floor = maths.function("floor", CTypes.DOUBLE, CTypes.DOUBLE);
    assertEquals(3.0, (double) floor.invokeExact(3.7));
    assertTrue(
        maths.location().startsWith("/") && maths.location().contains("libm"), maths.location());
    assertEquals(List.of(false, true), maths.attempts().stream().map(Attempt::succeeded).toList());
  }

  @Test
  void aMissingFunctionIsReportedWithTheFile() {
    NativeLibrary maths = NativeLibrary.find("maths", "floor").sonames(MATHS).load();
    assertFalse(maths.has("noSuchFunction"));
    var e =
        assertThrows(LibraryException.class, () -> maths.function("noSuchFunction", CTypes.INT));
    assertContains(e, "noSuchFunction", maths.location(), "version");
  }

  @Test
  void aFailedSearchListsEveryPlaceInOrderWithTheLoadersReason() throws IOException {
    Path text =
        Files.writeString(
            folder.resolve("libtext.so.1"), "This is text and no library. ".repeat(100));
    var search =
        NativeLibrary.find("Nothing", "nothing")
            .property("no.such.property")
            .environment("NO_SUCH_VARIABLE")
            .sonames("libtext.so.1", "libtext.so.0")
            .folders("toolkit", folder + "/no*such", folder.toString())
            .wheels("no-such-package/lib");
    var e = assertThrows(LibraryException.class, search::load);
    assertContains(
        e,
        "1. system property no.such.property: not given",
        "2. environment variable NO_SUCH_VARIABLE: not given",
        "3. system loader: libtext.so.1: libtext.so.1: cannot open shared object file",
        "4. system loader: libtext.so.0",
        "5. toolkit: " + text + ": " + text + ": invalid ELF header",
        "damaged",
        "6. toolkit: " + folder.resolve("libtext.so.0") + ": no such file",
        "7. pip package");
    assertEquals(7, e.attempts().size());
  }

  @Test
  void aFileThatTheUserNamedIsTheOnlyOneTried() {
    Path absent = folder.resolve("libabsent.so");
    var search = NativeLibrary.find("maths", "floor").file("--library", absent).sonames(MATHS);
    var e = assertThrows(LibraryException.class, search::load);
    assertContains(e, "--library: " + absent, "No such file or directory");
    assertEquals(1, e.attempts().size());
  }

  @Test
  void aLibraryWithoutTheExpectedFunctionIsPassedOver() {
    var search = NativeLibrary.find("cuDNN", "cudnnGetVersion").sonames(MATHS);
    assertContains(
        assertThrows(LibraryException.class, search::load),
        "no function cudnnGetVersion",
        "not cuDNN");
  }

  @Test
  void foldersAreExpandedNewestFirst() throws IOException {
    for (String version : List.of("12.1", "12.8", "13.0")) {
      Files.createDirectories(folder.resolve("cuda-" + version + "/lib64"));
    }
    var search =
        NativeLibrary.find("x", "x")
            .folders("toolkit", folder + "/cuda-12*/lib64")
            .sonames("libx.so");
    var tried = assertThrows(LibraryException.class, search::load).attempts();
    assertEquals(
        List.of(
            folder.resolve("cuda-12.8/lib64/libx.so").toString(),
            folder.resolve("cuda-12.1/lib64/libx.so").toString(),
            "libx.so"),
        tried.stream().map(Attempt::what).toList());
  }

  @Test
  @Tag("native")
  void aLibraryGetsThePartThatWasOpenedForIt() throws Throwable {
    Path file = folder.resolve("libwhole.so.1");
    compile(
        file.getFileName().toString(),
        """
        #include <dlfcn.h>
        int whole(void) { return dlopen("libpart.so.3", RTLD_NOW) != 0; }
        """);
    NativeLibrary whole = NativeLibrary.find("whole", "whole").file("argument", file).load();
    MethodHandle call = whole.function("whole", CTypes.INT);

    List<Attempt> tried = whole.openPart("libpart.so.3");
    assertEquals(List.of(false, false), tried.stream().map(Attempt::succeeded).toList());
    assertEquals(0, (int) call.invokeExact());

    compile("libpart.so.3", "int part;", "-Wl,-soname,libpart.so.3");
    tried = whole.openPart("libpart.so.3");
    assertEquals(
        List.of(folder.resolve("libpart.so.3").toString()),
        tried.stream().map(Attempt::what).toList());
    assertTrue(tried.getLast().succeeded());
    assertEquals(1, (int) call.invokeExact());
  }

  @Test
  @Tag("native")
  void aLibraryWhoseDependencyIsMissingNamesTheDependency() throws Exception {
    compile("libinner.so", "int inner(void) { return 7; }");
    compile(
        "libouter.so",
        "int inner(void); int outer(void) { return inner(); }",
        "-L" + folder,
        "-linner");
    Files.delete(folder.resolve("libinner.so"));
    var search =
        NativeLibrary.find("outer", "outer").file("argument", folder.resolve("libouter.so"));
    assertContains(
        assertThrows(LibraryException.class, search::load),
        "libinner.so: cannot open shared object file",
        "the file itself is there, but libinner.so, which it needs, is not");
  }

  @Test
  void knownReasonsComeWithARemedy() {
    assertTrue(
        Loader.remedy(
                "/x/libdnnl.so.3: failed to map segment from shared object", "/x/libdnnl.so.3")
            .contains("noexec"));
    assertTrue(
        Loader.remedy(
                "/lib/libc.so.6: version `GLIBC_2.34' not found (required by /x/libdnnl.so.3)",
                "/x/libdnnl.so.3")
            .contains("newer distribution"));
    assertTrue(
        Loader.remedy(
                "Error relocating /x/libdnnl.so.3: __printf_chk: symbol not found",
                "/x/libdnnl.so.3")
            .contains("musl"));
    assertTrue(
        Loader.remedy(
                "libstdc++.so.6: cannot open shared object file: No such file or directory",
                "/x/libdnnl.so.3")
            .contains("libstdc++6"));
    assertEquals(
        "",
        Loader.remedy(
            "libx.so: cannot open shared object file: No such file or directory", "libx.so"));
  }

  @Test
  void deniedNativeAccessIsReportedWithTheFlagThatAllowsIt() throws Exception {
    Module module = NativeLibrary.class.getModule();
    String flag = module.isNamed() ? module.getName() : "ALL-UNNAMED";
    assertTrue(Loader.nativeAccessDenied().contains("--enable-native-access=" + flag));

    // The child runs on the class path, where the flag is another one; the location of both sets of
    // classes is known.
    String classPath = location(NativeLibrary.class) + ":" + location(LibrarySearchTest.class);
    Process child =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--illegal-native-access=deny",
                "-cp",
                classPath,
                Opener.class.getName())
            .redirectErrorStream(true)
            .start();
    String output = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(child.waitFor(60, TimeUnit.SECONDS));
    assertTrue(output.contains("--enable-native-access=ALL-UNNAMED"), output);
  }

  /** Run in a virtual machine of its own. */
  static final class Opener {
    public static void main(String[] arguments) {
      try {
        NativeLibrary.find("maths", "floor").sonames(MATHS).load();
      } catch (LibraryException e) {
        System.out.println(e.getMessage());
      }
    }
  }

  private void compile(String file, String source, String... more)
      throws IOException, InterruptedException {
    Path c = Files.writeString(folder.resolve(file + ".c"), source);
    var command =
        new java.util.ArrayList<>(
            List.of("cc", "-shared", "-fPIC", "-o", folder.resolve(file).toString()));
    command.add(c.toString());
    command.addAll(List.of(more));
    Process cc;
    try {
      cc = new ProcessBuilder(command).redirectErrorStream(true).start();
    } catch (IOException e) {
      TestGroup.NATIVE.missing("needs a C compiler called cc: " + e.getMessage());
      return;
    }
    String output = new String(cc.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, cc.waitFor(), output);
  }

  private static String location(Class<?> type) throws Exception {
    return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
  }

  private static void assertContains(Exception e, String... parts) {
    String message = String.valueOf(e.getMessage());
    for (String part : parts) {
      assertTrue(message.contains(part), () -> "no \"" + part + "\" in: " + message);
    }
  }
}
