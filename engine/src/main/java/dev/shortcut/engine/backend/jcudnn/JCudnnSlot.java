package dev.shortcut.engine.backend.jcudnn;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.backend.Slot;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import jcuda.driver.CUcontext;
import jcuda.driver.CUevent;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;
import org.jspecify.annotations.Nullable;

/**
 * One arena and one stream, on which a batch is copied to the device, computed as one CUDA graph,
 * and copied back; the copies of one slot run beside the kernels of another.
 */
final class JCudnnSlot implements Slot {
  private final JCudnnDevice device;
  private final CUcontext context;
  private final Options.Launch launch;
  private final Sizes sizes;
  private final CUstream stream;
  private final CUevent done;
  private final Call mark;
  private final Call await;
  private final PinnedMemory images;
  private final PinnedMemory results;
  private final MemorySegment inputStaging;
  private final MemorySegment outputStaging;

  /** By number of images. */
  private final Batch[] batches;

  /**
   * What runs for a number of images.
   *
   * @param program the smallest that has room for them
   * @param graph launches its steps
   * @param clear makes zeros of what lies behind them; null where nothing does
   */
  private record Batch(
      BoundProgram program, Call upload, @Nullable Call clear, Call graph, Call download) {}

  /**
   * What a slot must have room for.
   *
   * @param largest images of the largest batch
   * @param imageBytes bytes of an image as it is handed over
   * @param resultBytes bytes of an image's results
   * @param arenaBytes bytes of the arena
   */
  record Sizes(int largest, long imageBytes, long resultBytes, long arenaBytes) {}

  private JCudnnSlot(
      JCudnnDevice device,
      CUcontext context,
      Options options,
      Sizes sizes,
      Arena memory,
      Closer owner) {
    this.device = device;
    this.context = context;
    this.launch = options.launch();
    this.sizes = sizes;
    stream = Driver.stream(owner);
    done = Driver.blockingEvent(owner);
    mark = Call.driver("cuEventRecord", () -> JCudaDriver.cuEventRecord(done, stream));
    await = Call.driver("cuEventSynchronize", () -> JCudaDriver.cuEventSynchronize(done));
    images = PinnedMemory.allocate(sizes.largest * sizes.imageBytes, owner);
    results = PinnedMemory.allocate(sizes.largest * sizes.resultBytes, owner);
    inputStaging = images.segment(memory);
    outputStaging = results.segment(memory);
    batches = new Batch[sizes.largest + 1];
  }

  /**
   * Makes a slot on a device, whose context must be current; everything has run once then, and is
   * captured.
   *
   * @param programs ascending by batch
   */
  static JCudnnSlot prepare(
      JCudnnDevice device,
      CUcontext context,
      List<Program> programs,
      Sizes sizes,
      Options options,
      Closer owner) {
    Arena memory = owner.sharedArena();
    var slot = new JCudnnSlot(device, context, options, sizes, memory, owner);
    DeviceAddress arena = Driver.allocate(sizes.arenaBytes, owner);
    var lane = new Lane(device, slot.stream, arena, memory, owner);
    List<BoundProgram> bound = new ArrayList<>();
    for (Program program : programs) {
      bound.add(new BoundProgram(program, lane));
    }
    // Libraries load their kernels at the first use, which a capture does not allow.
    for (BoundProgram program : bound) {
      slot.warmUp(program);
    }
    int next = 0;
    for (BoundProgram program : bound) {
      Call graph = slot.capture(program, owner);
      for (; next <= program.program().batch(); next++) {
        slot.batches[next] = slot.batch(next, program, graph);
      }
    }
    return slot;
  }

  private void warmUp(BoundProgram program) {
    try {
      program.attempt("clearing the images");
      clear(program.handedOver(), program.program().batch() * sizes.imageBytes).run();
      program.enqueueAll();
      Driver.synchronize(stream);
    } catch (JCudaException e) {
      RuntimeException failure =
          device.health().failed("the first run of " + program.attempted(), e, stream);
      throw e.notSupported() ? Lowering.refusal(program.attempted(), e) : failure;
    }
  }

  private Call capture(BoundProgram program, Closer owner) {
    try {
      CUgraphExec graph = device.capture(stream, program::enqueueAll, owner);
      return Call.driver("cuGraphLaunch", () -> JCudaDriver.cuGraphLaunch(graph, stream));
    } catch (JCudaException e) {
      throw device.health().failed("recording " + program.attempted(), e, stream);
    }
  }

  private Batch batch(int count, BoundProgram program, Call graph) {
    DeviceAddress to = program.handedOver();
    DeviceAddress from = program.handedBack();
    long in = count * sizes.imageBytes;
    long out = count * sizes.resultBytes;
    long missing = program.program().batch() * sizes.imageBytes - in;
    return new Batch(
        program,
        Call.driver(
            "cuMemcpyHtoDAsync", () -> JCudaDriver.cuMemcpyHtoDAsync(to, images, in, stream)),
        missing == 0 ? null : clear(to.plus(in), missing),
        graph,
        Call.driver(
            "cuMemcpyDtoHAsync", () -> JCudaDriver.cuMemcpyDtoHAsync(results, from, out, stream)));
  }

  private Call clear(DeviceAddress from, long bytes) {
    return Call.driver(
        "cuMemsetD8Async", () -> JCudaDriver.cuMemsetD8Async(from, (byte) 0, bytes, stream));
  }

  @Override
  public void attach() {
    try {
      Driver.push(context);
    } catch (JCudaException e) {
      throw device.health().failed("making the context current", e, null);
    }
  }

  @Override
  public MemorySegment inputStaging() {
    return inputStaging;
  }

  @Override
  public MemorySegment outputStaging() {
    return outputStaging;
  }

  @Override
  public void run(int count, MemorySegment input, MemorySegment output) {
    device.health().check();
    Batch batch = batches[count];
    BoundProgram program = batch.program;
    try {
      upload(batch, count, input);
      switch (launch) {
        case GRAPH -> {
          program.attempt("the network's CUDA graph");
          batch.graph.run();
        }
        case EAGER -> program.enqueueAll();
        case STEPWISE -> {
          Driver.synchronize(stream);
          for (int step = 0; step < program.steps(); step++) {
            program.enqueue(step);
            Driver.synchronize(stream);
          }
        }
      }
      download(batch, count, output);
    } catch (JCudaException e) {
      throw device.health().failed(program.attempted(), e, stream);
    }
  }

  private void upload(Batch batch, int count, MemorySegment input) {
    batch.program.attempt("copying the images to the device");
    // From memory that is not pinned the driver would copy here and now, and not beside other work.
    if (input.address() != inputStaging.address()) {
      MemorySegment.copy(input, 0, inputStaging, 0, count * sizes.imageBytes);
    }
    batch.upload.run();
    if (batch.clear != null) {
      batch.clear.run();
    }
  }

  private void download(Batch batch, int count, MemorySegment output) {
    batch.program.attempt("copying the results from the device");
    batch.download.run();
    mark.run();
    await.run();
    if (output.address() != outputStaging.address()) {
      MemorySegment.copy(outputStaging, 0, output, 0, count * sizes.resultBytes);
    }
  }

  /** Kernels are launched one by one, and timed by the device. */
  @Override
  public void profile(int count, MemorySegment input, MemorySegment output, Stopwatch stopwatch) {
    device.health().check();
    Batch batch = batches[count];
    BoundProgram program = batch.program;
    try (var owner = new Closer()) {
      List<CUevent> marks = new ArrayList<>();
      for (int i = 0; i <= program.steps(); i++) {
        marks.add(Driver.timedEvent(owner));
      }
      upload(batch, count, input);
      record(marks.getFirst());
      for (int step = 0; step < program.steps(); step++) {
        program.enqueue(step);
        record(marks.get(step + 1));
      }
      download(batch, count, output);
      for (int step = 0; step < program.steps(); step++) {
        var millis = new float[1];
        CUevent before = marks.get(step);
        CUevent after = marks.get(step + 1);
        Call.driver(
                "cuEventElapsedTime", () -> JCudaDriver.cuEventElapsedTime(millis, before, after))
            .run();
        stopwatch.step(program.program().steps().get(step).node(), (long) (millis[0] * 1e6));
      }
    } catch (JCudaException e) {
      throw device.health().failed(program.attempted(), e, stream);
    }
  }

  private void record(CUevent event) {
    Call.driver("cuEventRecord", () -> JCudaDriver.cuEventRecord(event, stream)).run();
  }
}
