package dev.shortcut.resnet.batch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InputsTest {
  @TempDir private Path folder;

  @BeforeEach
  void makeFiles() throws IOException {
    for (String name :
        List.of(
            "b.jpg",
            "a/z.PNG",
            "a/y.webp",
            "c/d/e.tiff",
            "notes.txt",
            ".hidden.jpg",
            ".git/x.jpg",
            "a.jpeg")) {
      Path file = folder.resolve(name);
      Files.createDirectories(file.getParent());
      Files.writeString(file, name);
    }
  }

  private List<String> ids(Inputs inputs) {
    List<String> ids = new ArrayList<>();
    inputs
        .open()
        .forEachRemaining(input -> ids.add(folder.relativize(Path.of(input.id())).toString()));
    return ids;
  }

  @Test
  void aFolderGivesItsPicturesSortedAtEachLevel() {
    Inputs inputs = Inputs.files(folder);
    assertEquals(List.of("a/y.webp", "a/z.PNG", "a.jpeg", "b.jpg", "c/d/e.tiff"), ids(inputs));
    assertEquals(ids(inputs), ids(inputs));
    assertEquals(5, inputs.survey().orElseThrow().count());
  }

  @Test
  void aFileIsTakenByWhateverName() throws IOException {
    Inputs inputs = Inputs.files(folder.resolve("notes.txt"), folder.resolve("a"));
    assertEquals(List.of("notes.txt", "a/y.webp", "a/z.PNG"), ids(inputs));
    assertEquals(
        "notes.txt",
        new String(inputs.open().next().source().read(), java.nio.charset.StandardCharsets.UTF_8));
  }

  @Test
  void whatCannotBeReadIsAnInputWithAReason() {
    Input missing = Inputs.files(folder.resolve("gone.jpg")).open().next();
    assertEquals(
        "there is no such file",
        Reasons.of(assertThrows(IOException.class, missing.source()::read)));
    Input device = Inputs.files(Path.of("/dev/zero")).open().next();
    assertEquals(
        "it is not a file", assertThrows(IOException.class, device.source()::read).getMessage());
  }

  @Test
  void aPatternGivesWhatItMatches() {
    assertEquals(
        List.of("a/y.webp", "a/z.PNG", "c/d/e.tiff"),
        ids(Inputs.glob(folder + "/**/*.{webp,PNG,tiff}")));
    assertEquals(List.of("a.jpeg", "b.jpg"), ids(Inputs.glob(folder + "/*.jp*")));
    assertEquals(List.of(), ids(Inputs.glob(folder + "/*.bmp")));
    assertThrows(InputException.class, () -> Inputs.glob("a/[").open());
    assertThrows(InputException.class, () -> Inputs.glob(folder + "/gone/*.jpg").open().hasNext());
  }

  @Test
  void aListGivesItsLines() throws IOException {
    Path list =
        Files.writeString(folder.resolve("list"), folder + "/b.jpg\n\n" + folder + "/a/z.PNG");
    assertEquals(List.of("b.jpg", "a/z.PNG"), ids(Inputs.list(list)));
    assertThrows(InputException.class, () -> Inputs.list(folder.resolve("gone")).open().hasNext());
  }

  @Test
  void linksAreFollowedButNotInACircle() throws IOException {
    Files.createSymbolicLink(folder.resolve("a/circle"), folder);
    Files.createSymbolicLink(folder.resolve("c/link"), folder.resolve("a.jpeg"));
    Files.createSymbolicLink(folder.resolve("c/link.jpg"), folder.resolve("b.jpg"));
    assertEquals(
        List.of("a/y.webp", "a/z.PNG", "a.jpeg", "b.jpg", "c/d/e.tiff", "c/link.jpg"),
        ids(Inputs.files(folder)));
  }

  @Test
  void theFingerprintChangesWithTheFiles() throws IOException {
    Inputs inputs = Inputs.files(folder);
    String before = inputs.survey().orElseThrow().fingerprint();
    assertEquals(before, inputs.survey().orElseThrow().fingerprint());
    Files.writeString(folder.resolve("b.jpg"), "longer than it was");
    String written = inputs.survey().orElseThrow().fingerprint();
    assertNotEquals(before, written);
    Files.move(folder.resolve("b.jpg"), folder.resolve("bb.jpg"));
    assertNotEquals(written, inputs.survey().orElseThrow().fingerprint());
  }

  @Test
  void sourcesFollowOneAnother() {
    Inputs inputs =
        Inputs.concat(
            List.of(Inputs.files(folder.resolve("c")), Inputs.files(folder.resolve("a"))));
    assertEquals(List.of("c/d/e.tiff", "a/y.webp", "a/z.PNG"), ids(inputs));
    assertEquals(3, inputs.survey().orElseThrow().count());
  }
}
