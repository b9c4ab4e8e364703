package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.CudaModule;
import dev.shortcut.bindings.cuda.DeviceAttribute;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Graph;
import dev.shortcut.bindings.cuda.GraphExec;
import dev.shortcut.bindings.cuda.Kernel;
import dev.shortcut.bindings.cuda.KernelArguments;
import dev.shortcut.bindings.cuda.PinnedMemory;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.cudnn.Cudnn;
import dev.shortcut.bindings.cudnn.CudnnHandle;
import dev.shortcut.bindings.cudnn.DeviceProperties;
import dev.shortcut.bindings.cudnn.ExecutionPlan;
import dev.shortcut.bindings.cudnn.VariantPack;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.nvidia.NvidiaLibraries;
import dev.shortcut.bindings.nvrtc.CompiledProgram;
import dev.shortcut.engine.DeviceException;
import dev.shortcut.engine.GpuDescription;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.backend.CompiledModel;
import dev.shortcut.engine.backend.DeviceTarget;
import dev.shortcut.engine.backend.ExecutionSlot;
import dev.shortcut.engine.backend.PlatformThread;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.pass.Passes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.BiFunction;

/**
 * What must work on a GPU before networks can, or beside them. Each tells what it found, or throws
 * what is wrong.
 */
final class DeviceChecks {
  private static final int[] COPIED_BYTES = {1, 3, 4_096, 1_000_003, 64 << 20};

  /** Both kernels' channels: 3 filled up to 8. */
  private static final int CHANNELS = 3;

  private static final int PIXELS = 1_000;
  private static final int THREADS = 256;

  /** With this weight everywhere, sums of zeros and ones are exact in every type. */
  private static final float WEIGHT = 0x1p-10f;

  private static final int INPUTS = 64;
  private static final int OUTPUTS = 16;
  private static final int IMAGES = 2;
  private static final int SIDE = 7;

  private final NvidiaLibraries libraries;
  private final DeviceTarget target;

  DeviceChecks(NvidiaLibraries libraries, DeviceTarget target) {
    this.libraries = libraries;
    this.target = target;
  }

  /** In the device's context, on a thread of its own. */
  private String onDevice(String name, BiFunction<Context, Closer, String> check) {
    return inContext(
        name,
        (context, owner) ->
            "%s: %s".formatted(target.device().name(), check.apply(context, owner)));
  }

  private <T> T inContext(String name, BiFunction<Context, Closer, T> work) {
    return PlatformThread.call(
        name,
        () -> {
          try (var owner = new Closer()) {
            Context context = owner.own(target.open(libraries.cuda()));
            context.push();
            owner.own(context::pop);
            return work.apply(context, owner);
          }
        });
  }

  /**
   * The device as cuDNN sees it, and the width of its memory's bus, which cuDNN leaves out before
   * 9.27.
   */
  GpuDescription describe() {
    return inContext(
        "shortcut-cuda-describe",
        (_, owner) -> {
          Cudnn cudnn = libraries.cudnn();
          CudnnHandle handle = owner.own(cudnn.newHandle());
          return GpuDescription.ofCudnn(
              target.device().name(),
              DeviceProperties.of(cudnn, owner, handle).json(),
              target.device().attribute(DeviceAttribute.GLOBAL_MEMORY_BUS_WIDTH));
        });
  }

  /** Bytes to the device, to another place there, and back. */
  String copy() {
    return onDevice(
        "shortcut-cuda-copy",
        (context, owner) -> {
          Stream stream = owner.own(context.newStream());
          long nanos = 0;
          for (int bytes : COPIED_BYTES) {
            try (PinnedMemory host = context.allocatePinned(bytes);
                DeviceMemory there = context.allocate(bytes);
                DeviceMemory elsewhere = context.allocate(bytes)) {
              byte[] pattern = new byte[bytes];
              new Random(bytes).nextBytes(pattern);
              host.segment().copyFrom(MemorySegment.ofArray(pattern));
              long start = System.nanoTime();
              stream.copyToDevice(there.address(), host.segment(), bytes);
              stream.synchronize();
              nanos = System.nanoTime() - start;
              stream.copyOnDevice(elsewhere.address(), there.address(), bytes);
              host.segment().fill((byte) 0);
              stream.copyToHost(host.segment(), elsewhere.address(), bytes);
              stream.synchronize();
              if (host.segment().mismatch(MemorySegment.ofArray(pattern)) >= 0) {
                throw wrong("%,d bytes came back changed".formatted(bytes));
              }
            }
          }
          return "up to %,d bytes came back the same; the last went there at %.1f GB/s"
              .formatted(
                  COPIED_BYTES[COPIED_BYTES.length - 1],
                  COPIED_BYTES[COPIED_BYTES.length - 1] / (double) Math.max(1, nanos));
        });
  }

  /**
   * Integers through the input's kernel, which fills up channels, and back through the output's.
   */
  String kernels(Options options) {
    Arithmetic arithmetic = Arithmetic.of(options.precision());
    return onDevice(
        "shortcut-cuda-kernels",
        (context, owner) -> {
          CompiledProgram compiled =
              KernelModule.compile(
                  libraries.nvrtc(), target.device().computeCapability(), arithmetic);
          CudaModule module;
          try (Arena frame = Arena.ofConfined()) {
            module = owner.own(context.load(compiled.image(frame)));
          }
          int values = PIXELS * CHANNELS;
          int padded = Arithmetic.padded(CHANNELS);
          float[] sent = new float[values];
          var random = new Random(values);
          for (int i = 0; i < values; i++) {
            sent[i] = random.nextInt(255) - 127;
          }
          Stream stream = owner.own(context.newStream());
          DeviceMemory source = owner.own(context.allocate((long) values * Float.BYTES));
          DeviceMemory between =
              owner.own(context.allocate((long) PIXELS * padded * arithmetic.bytes()));
          DeviceMemory target = owner.own(context.allocate((long) values * Float.BYTES));
          try (Arena frame = Arena.ofConfined()) {
            MemorySegment host = frame.allocateFrom(ValueLayout.JAVA_FLOAT, sent);
            stream.copyToDevice(source.address(), host, host.byteSize());
            KernelArguments in = KernelArguments.of(7, frame);
            in.setLong(0, source.address());
            in.setLong(1, between.address());
            in.setLong(2, PIXELS);
            in.setLong(3, (long) PIXELS * padded);
            in.setInt(4, PIXELS);
            in.setInt(5, CHANNELS);
            in.setInt(6, padded);
            launch(stream, module.function("input_floats"), PIXELS * padded, in);
            KernelArguments out = KernelArguments.of(6, frame);
            out.setLong(0, between.address());
            out.setLong(1, target.address());
            out.setLong(2, values);
            out.setInt(3, PIXELS);
            out.setInt(4, CHANNELS);
            out.setInt(5, padded);
            launch(stream, module.function("output_floats"), values, out);
            stream.synchronize();
            host.fill((byte) 0);
            stream.copyToHost(host, target.address(), host.byteSize());
            stream.synchronize();
            if (!Arrays.equals(sent, host.toArray(ValueLayout.JAVA_FLOAT))) {
              throw wrong("our own kernels for %s changed small integers".formatted(arithmetic));
            }
          }
          return "compiled for %s, %,d bytes, and right"
              .formatted(compiled.architecture(), compiled.imageBytes());
        });
  }

  private static void launch(Stream stream, Kernel kernel, int values, KernelArguments arguments) {
    stream.launch(kernel, Math.ceilDiv(values, THREADS), 1, 1, THREADS, 1, 1, 0, arguments);
  }

  /** One convolution by a plan that is made again of its text, and by one built for the handle. */
  String plans(Options options) {
    Arithmetic arithmetic = Arithmetic.of(options.precision());
    return onDevice(
        "shortcut-cuda-plans",
        (context, owner) -> {
          Cudnn cudnn = libraries.cudnn();
          Stream stream = owner.own(context.newStream());
          CudnnHandle handle = owner.own(cudnn.newHandle());
          handle.setStream(stream);
          var planner = new Planner(cudnn, DeviceProperties.of(cudnn, owner, handle), null);
          var image = new Shape(OUTPUTS, SIDE, SIDE);
          var kernel =
              new CudnnKernel.Convolution(
                  arithmetic,
                  IMAGES,
                  image,
                  image,
                  1,
                  1,
                  0,
                  1,
                  1,
                  List.of(CudnnKernel.Stage.BIAS, CudnnKernel.Stage.RELU));
          if (!(planner.plan(kernel) instanceof Planner.Found(Plan plan))) {
            throw wrong("no plan for the " + kernel);
          }
          ExecutionPlan straight =
              planner
                  .straight(kernel, plan, handle, owner)
                  .orElseThrow(() -> wrong("cuDNN builds no plan for its handle: " + kernel));
          var random = new Random(SIDE);
          float[] x = integers(random, IMAGES * SIDE * SIDE * OUTPUTS);
          float[] w = integers(random, OUTPUTS * OUTPUTS);
          float[] bias = integers(random, OUTPUTS);
          DeviceMemory images = placed(context, owner, stream, arithmetic, x);
          DeviceMemory filter = placed(context, owner, stream, arithmetic, w);
          DeviceMemory added = placed(context, owner, stream, arithmetic, bias);
          DeviceMemory sums = owner.own(context.allocate(images.bytes()));
          DeviceMemory workspace = owner.own(context.allocate(Math.max(1, plan.workspaceBytes())));
          VariantPack pack =
              VariantPack.of(
                  cudnn,
                  owner,
                  new long[] {CudnnGraphs.X, CudnnGraphs.W, CudnnGraphs.BIAS, CudnnGraphs.Y},
                  new long[] {images.address(), filter.address(), added.address(), sums.address()},
                  workspace.address());
          byte[] expected = stored(arithmetic, product(x, w, bias));
          ExecutionPlan restored = ExecutionPlan.fromJson(cudnn, owner, plan.json(), handle);
          for (ExecutionPlan each : List.of(restored, straight)) {
            handle.execute(each, pack);
            if (!Arrays.equals(expected, readBytes(stream, sums))) {
              throw wrong(
                  "a plan %s gave wrong sums of small integers: %s"
                      .formatted(
                          each == straight ? "built for the handle" : "of its text", kernel));
            }
          }
          return "cuDNN takes its own plan back and builds one for its handle, both right";
        });
  }

  private static float[] integers(Random random, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = random.nextInt(5) - 2;
    }
    return values;
  }

  private static DeviceMemory placed(
      Context context, Closer owner, Stream stream, Arithmetic arithmetic, float[] values) {
    byte[] bytes = stored(arithmetic, values);
    DeviceMemory memory = owner.own(context.allocate(bytes.length));
    try (Arena frame = Arena.ofConfined()) {
      write(stream, memory, frame.allocateFrom(ValueLayout.JAVA_BYTE, bytes));
    }
    return memory;
  }

  private static byte[] stored(Arithmetic arithmetic, float[] values) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment memory = frame.allocate((long) values.length * arithmetic.bytes(), Float.BYTES);
      for (int i = 0; i < values.length; i++) {
        arithmetic.store(memory, i, values[i]);
      }
      return memory.toArray(ValueLayout.JAVA_BYTE);
    }
  }

  /** What a 1x1 convolution, bias and ReLU make of channels that lie side by side. */
  private static float[] product(float[] x, float[] w, float[] bias) {
    float[] y = new float[x.length];
    for (int i = 0; i < y.length; i++) {
      float sum = bias[i % OUTPUTS];
      for (int j = 0; j < OUTPUTS; j++) {
        sum += x[i / OUTPUTS * OUTPUTS + j] * w[i % OUTPUTS * OUTPUTS + j];
      }
      y[i] = Math.max(0, sum);
    }
    return y;
  }

  /** An execution on a program's own stream: at once, and captured and replayed. */
  String foreignCapture(CudnnBackend backend, Options options) {
    var g = new GraphBuilder("foreign capture", new Shape(INPUTS, 1, 1));
    var x = g.add("conv", new Layer.Convolution(OUTPUTS, 1, 1, 0), g.input());
    dev.shortcut.engine.graph.Graph defined =
        g.build(g.add("fc", new Layer.Linear(OUTPUTS, true), x));
    dev.shortcut.engine.graph.Graph graph =
        Passes.trace(defined, Passes.all(Layout.NHWC)).getLast().after();
    try (Weights weights = Weights.constant(defined, WEIGHT);
        CompiledModel model =
            backend.compile(
                graph,
                weights,
                List.of(IMAGES),
                options
                    .withMaxBatch(IMAGES)
                    .withSlots(1)
                    .withInput(new InputFormat.Float32Nchw()));
        ExecutionSlot execution = model.execution(IMAGES, new InputFormat.Float32Nchw(), 0)) {
      return onDevice(
          "shortcut-cuda-program", (context, owner) -> captureAndReplay(context, owner, execution));
    }
  }

  private String captureAndReplay(Context context, Closer owner, ExecutionSlot execution) {
    Stream stream = owner.own(context.newStream());
    DeviceMemory in = owner.own(context.allocate((long) IMAGES * INPUTS * Float.BYTES));
    DeviceMemory out = owner.own(context.allocate((long) IMAGES * OUTPUTS * Float.BYTES));
    float[] images = zerosAndOnes(1);
    write(stream, in, images);
    execution.enqueue(in.address(), out.address(), stream.handle());
    check("at once", images, read(stream, out));
    stream.beginCapture();
    try (Graph graph = captured(stream, execution, in, out);
        GraphExec replay = graph.instantiate()) {
      for (int seed = 2; seed < 5; seed++) {
        images = zerosAndOnes(seed);
        write(stream, in, images);
        stream.launch(replay);
        check("replayed", images, read(stream, out));
      }
      return "an execution at once and %d nodes of a captured graph three times, all right"
          .formatted(graph.nodes());
    }
  }

  private static Graph captured(
      Stream stream, ExecutionSlot execution, DeviceMemory in, DeviceMemory out) {
    try {
      execution.enqueue(in.address(), out.address(), stream.handle());
    } catch (RuntimeException e) {
      try {
        stream.endCapture().close();
      } catch (RuntimeException spoiled) {
        e.addSuppressed(spoiled);
      }
      throw e;
    }
    return stream.endCapture();
  }

  private static float[] zerosAndOnes(int seed) {
    var random = new Random(seed);
    float[] images = new float[IMAGES * INPUTS];
    for (int i = 0; i < images.length; i++) {
      images[i] = random.nextInt(2);
    }
    return images;
  }

  private void check(String how, float[] images, float[] found) {
    for (int i = 0; i < found.length; i++) {
      float sum = 0;
      for (int j = 0; j < INPUTS; j++) {
        sum += images[i / OUTPUTS * INPUTS + j];
      }
      float expected = sum * WEIGHT * OUTPUTS * WEIGHT + WEIGHT;
      if (found[i] != expected) {
        throw wrong("an execution %s gave %s instead of %s".formatted(how, found[i], expected));
      }
    }
  }

  private static void write(Stream stream, DeviceMemory to, float[] values) {
    try (Arena frame = Arena.ofConfined()) {
      write(stream, to, frame.allocateFrom(ValueLayout.JAVA_FLOAT, values));
    }
  }

  private static void write(Stream stream, DeviceMemory to, MemorySegment host) {
    stream.copyToDevice(to.address(), host, host.byteSize());
    stream.synchronize();
  }

  private static float[] read(Stream stream, DeviceMemory from) {
    return MemorySegment.ofArray(readBytes(stream, from)).toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
  }

  private static byte[] readBytes(Stream stream, DeviceMemory from) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment host = frame.allocate(from.bytes(), Float.BYTES);
      stream.copyToHost(host, from.address(), from.bytes());
      stream.synchronize();
      return host.toArray(ValueLayout.JAVA_BYTE);
    }
  }

  private DeviceException wrong(String what) {
    return new DeviceException(
        "%s (%s): %s; please report this"
            .formatted(target.device().name(), target.device().uuid(), what),
        null,
        false);
  }
}
