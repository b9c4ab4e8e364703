import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.engine.DeviceBuffer;
import dev.shortcut.engine.DeviceChoice;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Execution;
import dev.shortcut.engine.Options;
import dev.shortcut.resnet.BundledPictures;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.resnet.image.Picture;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;

/** What JavaCPP's presets know as pointers are addresses, too. */
public final class JavaCppPointers {
  private JavaCppPointers() {}

  /** Device memory, as a preset of JavaCPP's would give it. */
  private static final class DevicePointer extends Pointer {
    DevicePointer(long address) {
      this.address = address;
    }
  }

  /** Enqueues a batch on what JavaCPP's pointers point to. */
  static void enqueue(Execution network, BytePointer images, FloatPointer logits, Pointer stream) {
    network.enqueue(
        new DeviceBuffer(images.address(), images.capacity() * images.sizeof()),
        new DeviceBuffer(logits.address(), logits.capacity() * logits.sizeof()),
        stream.address());
  }

  /** Prints the class of the cat. */
  public static void main(String[] arguments) {
    String name = "cat-0001.jpg";
    try (ImageModel model = ImageModel.bundled();
        Context context = Cuda.open().devices().getFirst().retainPrimary();
        Arena arena = Arena.ofConfined()) {
      context.push();
      Options options =
          Options.defaults()
              .withBackend(Options.BackendChoice.CUDA)
              .withDevices(new DeviceChoice.CurrentContext());
      try (Engine engine = Engine.open(model, options);
          Execution network = engine.execution(1, model.inputFormat());
          Stream stream = context.newStream();
          DeviceMemory image = context.allocate(network.inputBytes());
          DeviceMemory logits = context.allocate(network.outputBytes())) {
        byte[] pixels =
            model.preprocessing().apply(Picture.decode(BundledPictures.read(name))).rgb();
        MemorySegment host = arena.allocateFrom(ValueLayout.JAVA_BYTE, pixels);
        MemorySegment scores = arena.allocate(ValueLayout.JAVA_FLOAT, model.labels().size());
        stream.copyToDevice(image.address(), host, host.byteSize());
        enqueue(
            network,
            new BytePointer(new DevicePointer(image.address())).capacity(image.bytes()),
            new FloatPointer(new DevicePointer(logits.address())).capacity(logits.bytes() / 4),
            new DevicePointer(stream.handle()));
        stream.copyToHost(scores, logits.address(), scores.byteSize());
        stream.synchronize();
        int best = 0;
        for (int c = 1; c < model.labels().size(); c++) {
          float score = scores.getAtIndex(ValueLayout.JAVA_FLOAT, c);
          best = score > scores.getAtIndex(ValueLayout.JAVA_FLOAT, best) ? c : best;
        }
        System.out.println(name + " " + model.labels().get(best));
      } finally {
        context.pop();
      }
    }
  }
}
