import dev.shortcut.bindings.jcuda.FromJCuda;
import dev.shortcut.engine.DeviceChoice;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Options;
import dev.shortcut.resnet.BundledPictures;
import dev.shortcut.resnet.ImageModel;
import java.util.List;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/**
 * A JCuda program enqueues its own kernel, the network and its second kernel on its own stream, and
 * waits once.
 */
public final class OwnKernels {
  private OwnKernels() {}

  /**
   * Prints a line for each picture: its name and its class.
   *
   * @param arguments the engine's backend, {@code CUDA} where there is none
   */
  public static void main(String[] arguments) {
    List<String> names = BundledPictures.names();
    try (HostProgram host = new HostProgram();
        ImageModel model = ImageModel.bundled();
        Engine engine = Engine.open(model, inContextOf(host, arguments));
        FrameClassifier classifier = new FrameClassifier(host, model, engine, names.size())) {
      CUstream stream = host.stream();
      classifier.write(names);
      classifier.enqueue(stream);
      JCudaDriver.cuStreamSynchronize(stream);
      classifier.labels(names).forEach(System.out::println);
    }
  }

  /** The engine allocates and runs in the program's own context. */
  static Options inContextOf(HostProgram host, String... arguments) {
    String backend = arguments.length == 0 ? "CUDA" : arguments[0];
    return Options.defaults()
        .withBackend(Options.BackendChoice.valueOf(backend))
        .withDevices(new DeviceChoice.Context(FromJCuda.handle(host.context)));
  }
}
