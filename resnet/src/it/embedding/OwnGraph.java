import dev.shortcut.engine.Engine;
import dev.shortcut.resnet.BundledPictures;
import dev.shortcut.resnet.ImageModel;
import java.util.List;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUstream;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.JCudaDriver;

/**
 * A JCuda program captures its kernels and the network into a CUDA graph of its own, once, and
 * replays it for other pictures.
 */
public final class OwnGraph {
  private static final int IMAGES = 3;

  private OwnGraph() {}

  /**
   * Prints a line for each picture: its name and its class.
   *
   * @param arguments the engine's backend, {@code CUDA} where there is none
   */
  public static void main(String[] arguments) {
    List<String> names = BundledPictures.names();
    try (HostProgram host = new HostProgram();
        ImageModel model = ImageModel.bundled();
        Engine engine = Engine.open(model, OwnKernels.inContextOf(host, arguments));
        FrameClassifier classifier = new FrameClassifier(host, model, engine, IMAGES)) {
      CUstream stream = host.stream();
      CUgraphExec batch = capture(classifier, stream);
      for (int first = 0; first < names.size(); first += IMAGES) {
        List<String> some = names.subList(first, first + IMAGES);
        classifier.write(some);
        JCudaDriver.cuGraphLaunch(batch, stream);
        JCudaDriver.cuStreamSynchronize(stream);
        classifier.labels(some).forEach(System.out::println);
      }
      JCudaDriver.cuGraphExecDestroy(batch);
    }
  }

  /** Runs a batch once, and then records it without running it. */
  static CUgraphExec capture(FrameClassifier classifier, CUstream stream) {
    CUgraph graph = new CUgraph();
    CUgraphExec batch = new CUgraphExec();
    // A kernel is loaded when it is launched first, which is not allowed while a stream captures.
    classifier.enqueue(stream);
    JCudaDriver.cuStreamSynchronize(stream);
    JCudaDriver.cuStreamBeginCapture(
        stream, CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
    classifier.enqueue(stream);
    JCudaDriver.cuStreamEndCapture(stream, graph);
    JCudaDriver.cuGraphInstantiate(batch, graph, 0);
    JCudaDriver.cuGraphDestroy(graph);
    return batch;
  }
}
