package dev.shortcut.resnet.image;

import dev.shortcut.resnet.Fuzzer;
import java.util.SortedMap;
import org.junit.jupiter.api.Test;

class PictureFuzzTest {
  @Test
  void mutatedPicturesAreReadOrRefused() throws Exception {
    SortedMap<String, byte[]> examples = StoredPictures.archive("pictures.zip");
    examples.putAll(StoredPictures.archive("refused.zip"));
    Fuzzer.of(PictureFuzz.class).examples(examples).instrument("com.sun.imageio.plugins.**").run();
  }
}
