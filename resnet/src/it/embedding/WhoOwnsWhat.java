import dev.shortcut.engine.Engine;
import dev.shortcut.resnet.BundledPictures;
import dev.shortcut.resnet.ImageModel;
import java.util.Arrays;
import java.util.List;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/**
 * What closing means: a graph of the program's that is alive keeps the execution from being closed,
 * and the program's context and memory are as they were when the engine is gone.
 */
public final class WhoOwnsWhat {
  private static final int BYTES = 1 << 16;

  private WhoOwnsWhat() {}

  /** Prints what it found. */
  public static void main(String[] arguments) {
    List<String> names = BundledPictures.names().subList(0, 1);
    try (HostProgram host = new HostProgram();
        ImageModel model = ImageModel.bundled()) {
      CUstream stream = host.stream();
      CUdeviceptr own = host.deviceMemory(BYTES);
      JCudaDriver.cuMemsetD8(own, (byte) 42, BYTES);

      Engine engine = Engine.open(model, OwnKernels.inContextOf(host));
      FrameClassifier classifier = new FrameClassifier(host, model, engine, names.size());
      CUgraphExec batch = OwnGraph.capture(classifier, stream);
      try {
        engine.close();
      } catch (IllegalStateException e) {
        System.out.println("refused: " + e.getMessage());
      }
      classifier.write(names);
      JCudaDriver.cuGraphLaunch(batch, stream);
      JCudaDriver.cuStreamSynchronize(stream);
      classifier.labels(names).forEach(System.out::println);
      JCudaDriver.cuGraphExecDestroy(batch);
      classifier.close();
      engine.close();

      CUcontext current = new CUcontext();
      JCudaDriver.cuCtxGetCurrent(current);
      System.out.println("same context: " + current.equals(host.context));
      byte[] bytes = new byte[BYTES];
      JCudaDriver.cuMemcpyDtoH(Pointer.to(bytes), own, BYTES);
      byte[] expected = new byte[BYTES];
      Arrays.fill(expected, (byte) 42);
      System.out.println("same memory: " + Arrays.equals(bytes, expected));
      JCudaDriver.cuMemsetD8Async(own, (byte) 1, BYTES, stream);
      JCudaDriver.cuStreamSynchronize(stream);
      System.out.println("same stream: usable");
    }
  }
}
