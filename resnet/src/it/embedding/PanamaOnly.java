import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.shortcut.engine.DeviceBuffer;
import dev.shortcut.engine.DeviceChoice;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Execution;
import dev.shortcut.engine.Options;
import dev.shortcut.resnet.BundledPictures;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.resnet.image.Picture;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;

/**
 * A program that calls the CUDA driver by itself, through Java's own Foreign Function and Memory
 * API. There is no JCuda on its class path.
 */
@SuppressWarnings("restricted")
public final class PanamaOnly {
  private static final SymbolLookup DRIVER =
      SymbolLookup.libraryLookup("libcuda.so.1", Arena.global());

  private PanamaOnly() {}

  /** Prints the class of the cat. */
  public static void main(String[] arguments) {
    String name = "cat-0001.jpg";
    try (Arena arena = Arena.ofConfined();
        ImageModel model = ImageModel.bundled()) {
      byte[] pixels = model.preprocessing().apply(Picture.decode(BundledPictures.read(name))).rgb();
      MemorySegment host = arena.allocateFrom(JAVA_BYTE, pixels);
      MemorySegment scores = arena.allocate(JAVA_FLOAT, model.labels().size());
      MemorySegment out = arena.allocate(JAVA_LONG);
      call("cuInit", 0);
      call("cuCtxCreate_v2", out, 0, 0);
      long context = out.get(JAVA_LONG, 0);
      call("cuStreamCreate", out, 1);
      long stream = out.get(JAVA_LONG, 0);
      call("cuMemAlloc_v2", out, host.byteSize());
      long image = out.get(JAVA_LONG, 0);
      call("cuMemAlloc_v2", out, scores.byteSize());
      long logits = out.get(JAVA_LONG, 0);

      Options options =
          Options.defaults()
              .withBackend(Options.BackendChoice.CUDA)
              .withDevices(new DeviceChoice.Context(context));
      try (Engine engine = Engine.open(model, options);
          Execution network = engine.execution(1, model.inputFormat())) {
        call("cuMemcpyHtoDAsync_v2", image, host, host.byteSize(), stream);
        network.enqueue(
            new DeviceBuffer(image, host.byteSize()),
            new DeviceBuffer(logits, scores.byteSize()),
            stream);
        call("cuMemcpyDtoHAsync_v2", scores, logits, scores.byteSize(), stream);
        call("cuStreamSynchronize", stream);
      }

      int best = 0;
      for (int c = 1; c < model.labels().size(); c++) {
        boolean better = scores.getAtIndex(JAVA_FLOAT, c) > scores.getAtIndex(JAVA_FLOAT, best);
        best = better ? c : best;
      }
      System.out.println(name + " " + model.labels().get(best));
      call("cuMemFree_v2", image);
      call("cuMemFree_v2", logits);
      call("cuStreamDestroy_v2", stream);
      call("cuCtxDestroy_v2", context);
    }
  }

  /** Calls a function of the driver with pointers, 32-bit and 64-bit numbers. */
  private static void call(String function, Object... arguments) {
    MemoryLayout[] types = new MemoryLayout[arguments.length];
    for (int i = 0; i < types.length; i++) {
      types[i] =
          switch (arguments[i]) {
            case Integer _ -> JAVA_INT;
            case Long _ -> JAVA_LONG;
            default -> ADDRESS;
          };
    }
    int status;
    try {
      status =
          (int)
              Linker.nativeLinker()
                  .downcallHandle(
                      DRIVER.findOrThrow(function), FunctionDescriptor.of(JAVA_INT, types))
                  .invokeWithArguments(arguments);
    } catch (Throwable t) {
      throw new IllegalStateException(t);
    }
    if (status != 0) {
      throw new IllegalStateException(function + " returned " + status);
    }
  }
}
