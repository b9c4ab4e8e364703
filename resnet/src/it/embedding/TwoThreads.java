import dev.shortcut.engine.Engine;
import dev.shortcut.resnet.BundledPictures;
import dev.shortcut.resnet.ImageModel;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/** Two threads of a JCuda program, each with its own stream and buffers, and one engine. */
public final class TwoThreads {
  private static final int IMAGES = 2;

  private TwoThreads() {}

  /** Prints a line for each picture: its name and its class. */
  public static void main(String[] arguments) throws Exception {
    List<String> names = BundledPictures.names();
    int half = names.size() / 2;
    try (HostProgram host = new HostProgram();
        ImageModel model = ImageModel.bundled();
        Engine engine = Engine.open(model, OwnKernels.inContextOf(host));
        FrameClassifier one = new FrameClassifier(host, model, engine, IMAGES);
        FrameClassifier other = new FrameClassifier(host, model, engine, IMAGES);
        ExecutorService threads = Executors.newFixedThreadPool(2)) {
      CUstream oneStream = host.stream();
      CUstream otherStream = host.stream();
      Future<List<String>> first =
          threads.submit(() -> classify(host, one, oneStream, names.subList(0, half)));
      Future<List<String>> second =
          threads.submit(() -> classify(host, other, otherStream, names.subList(half, 2 * half)));
      first.get().forEach(System.out::println);
      second.get().forEach(System.out::println);
    }
  }

  private static List<String> classify(
      HostProgram host, FrameClassifier classifier, CUstream stream, List<String> names) {
    JCudaDriver.cuCtxSetCurrent(host.context);
    List<String> lines = new ArrayList<>();
    for (int from = 0; from < names.size(); from += IMAGES) {
      List<String> some = names.subList(from, from + IMAGES);
      classifier.write(some);
      classifier.enqueue(stream);
      JCudaDriver.cuStreamSynchronize(stream);
      lines.addAll(classifier.labels(some));
    }
    return lines;
  }
}
