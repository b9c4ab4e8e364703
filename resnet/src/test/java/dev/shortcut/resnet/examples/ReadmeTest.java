package dev.shortcut.resnet.examples;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Options;
import dev.shortcut.resnet.BundledPictures;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReadmeTest {
  private static final Pattern JAVA = Pattern.compile("(?ms)^```java\\n(.*?)^```$");

  @TempDir private Path folder;

  @Test
  void theReadmeShowsWhatIsCompiledHere() throws Exception {
    Path sources = Path.of("src", "test", "java", "dev", "shortcut", "resnet", "examples");
    var examples = new StringBuilder();
    for (String name : List.of("ReadmeExamples.java", "OwnNetwork.java")) {
      examples.append(words(Files.readString(sources.resolve(name))));
    }
    try (var programs = Files.list(Path.of("src", "it", "embedding"))) {
      for (Path program : programs.toList()) {
        examples.append(words(Files.readString(program)));
      }
    }
    List<String> blocks = new ArrayList<>();
    Matcher matcher = JAVA.matcher(Files.readString(Path.of("..", "README.md")));
    while (matcher.find()) {
      blocks.add(words(matcher.group(1)));
    }
    assertFalse(blocks.isEmpty());
    for (String block : blocks) {
      assertTrue(examples.indexOf(block) >= 0, () -> "no example has: " + block);
    }
  }

  /** Code without its layout. */
  private static String words(String code) {
    return code.replaceAll("\\s+", "");
  }

  @Test
  void theExamplesDoWhatTheySay() throws Exception {
    for (String name : BundledPictures.names()) {
      Files.write(folder.resolve(name), BundledPictures.read(name));
    }
    float[] logits = ReadmeExamples.onePicture(folder.resolve("cat-0001.jpg"));
    assertEquals(10, logits.length);
    for (float logit : logits) {
      assertTrue(logit <= logits[3]); // the cat
    }
    float[] top = ReadmeExamples.likeliest(folder.resolve("cat-0001.jpg"));
    assertEquals(6, top.length);
    assertTrue(1 >= top[0] && top[0] >= top[1] && top[1] >= top[2] && top[2] >= 0);
    assertEquals(3, top[3]); // the cat
    Path labels = folder.resolve("labels.jsonl");
    assertEquals(
        BundledPictures.names().size(), ReadmeExamples.manyPictures(folder, labels).rows());
    assertEquals(BundledPictures.names().size(), Files.readAllLines(labels).size());
    try (ImageModel model = ImageModel.bundled();
        Engine engine = Engine.open(model, Options.defaults().withInput(model.inputFormat()))) {
      assertEquals(80, ReadmeExamples.measure(engine).images());
    }
  }

  @Tag("native")
  @Test
  void anEmbeddedBatchGivesWhatTheEngineGives() throws Exception {
    SoftwareDevice.install();
    SoftwareDevice.reset();
    int images = 32;
    int classes = 10;
    float[] pixels = new float[images * 3 * 32 * 32];
    Random random = TestSeed.random();
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = random.nextFloat() - 0.5f;
    }
    try (ImageModel model = ImageModel.bundled();
        Arena frame = Arena.ofConfined();
        Closer program = new Closer()) {
      Context context = program.own(Cuda.open().devices().getFirst().retainPrimary());
      context.push();
      program.own(context::pop);
      Stream stream = program.own(context.newStream());
      DeviceMemory in = program.own(context.allocate((long) pixels.length * Float.BYTES));
      DeviceMemory out = program.own(context.allocate((long) images * classes * Float.BYTES));
      MemorySegment host = frame.allocateFrom(ValueLayout.JAVA_FLOAT, pixels);
      stream.copyToDevice(in.address(), host, host.byteSize());
      ReadmeExamples.embedded(model, in.address(), out.address(), stream.handle());
      MemorySegment results = frame.allocate(ValueLayout.JAVA_FLOAT, (long) images * classes);
      stream.copyToHost(results, out.address(), results.byteSize());
      stream.synchronize();
      try (Engine engine =
          Engine.open(model, Options.defaults().withBackend(Options.BackendChoice.CUDA))) {
        assertArrayEquals(engine.run(pixels), results.toArray(ValueLayout.JAVA_FLOAT));
      }
    }
    assertEquals(List.of(), SoftwareDevice.complaints());
  }
}
