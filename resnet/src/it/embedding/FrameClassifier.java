import dev.shortcut.bindings.jcuda.FromJCuda;
import dev.shortcut.engine.DeviceBuffer;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Execution;
import dev.shortcut.resnet.BundledPictures;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.resnet.image.Picture;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/**
 * A JCuda program's way from a camera's frames (blue, green, red and a byte of nothing for each
 * pixel) to their classes: its own kernel, the network, its own second kernel.
 */
final class FrameClassifier implements AutoCloseable {
  private final HostProgram host;
  private final ImageModel model;
  private final Execution network;
  private final int images;
  private final int pixels;
  private final Pointer pinnedFrames;
  private final Pointer pinnedBest;
  private final CUdeviceptr frames;
  private final CUdeviceptr rgb;
  private final CUdeviceptr logits;
  private final CUdeviceptr best;

  FrameClassifier(HostProgram host, ImageModel model, Engine engine, int images) {
    this.host = host;
    this.model = model;
    this.images = images;
    network = engine.execution(images, model.inputFormat());
    pixels = Math.toIntExact(network.inputBytes() / 3);
    pinnedFrames = host.pinnedMemory(4L * pixels);
    pinnedBest = host.pinnedMemory(4L * images);
    frames = host.deviceMemory(4L * pixels);
    rgb = host.deviceMemory(network.inputBytes());
    logits = host.deviceMemory(network.outputBytes());
    best = host.deviceMemory(4L * images);
  }

  Execution network() {
    return network;
  }

  /** Writes frames to where the next batch is read from. */
  void write(List<String> names) {
    ByteBuffer target = pinnedFrames.getByteBuffer(0, 4L * pixels);
    for (String name : names) {
      Picture picture = model.preprocessing().apply(Picture.decode(BundledPictures.read(name)));
      byte[] bytes = picture.rgb();
      for (int i = 0; i < bytes.length; i += 3) {
        target.put(bytes[i + 2]).put(bytes[i + 1]).put(bytes[i]).put((byte) 0);
      }
    }
  }

  /** Enqueues a batch; nothing here waits. */
  void enqueue(CUstream stream) {
    JCudaDriver.cuMemcpyHtoDAsync(frames, pinnedFrames, 4L * pixels, stream);
    HostProgram.launch(
        host.framesToRgb, pixels, stream, Pointer.to(frames), Pointer.to(rgb), number(pixels));
    network.enqueue(
        new DeviceBuffer(FromJCuda.address(rgb), network.inputBytes()),
        new DeviceBuffer(FromJCuda.address(logits), network.outputBytes()),
        FromJCuda.handle(stream));
    HostProgram.launch(
        host.bestClass,
        images,
        stream,
        Pointer.to(logits),
        Pointer.to(best),
        number(images),
        number(model.labels().size()));
    JCudaDriver.cuMemcpyDtoHAsync(pinnedBest, best, 4L * images, stream);
  }

  /** The classes of the last batch, once it was waited for. */
  List<String> labels(List<String> names) {
    var classes = HostProgram.ints(pinnedBest, images);
    List<String> lines = new ArrayList<>();
    for (String name : names) {
      lines.add(name + " " + model.labels().get(classes.get()));
    }
    return lines;
  }

  private static Pointer number(int value) {
    return Pointer.to(new int[] {value});
  }

  @Override
  public void close() {
    network.close();
  }
}
