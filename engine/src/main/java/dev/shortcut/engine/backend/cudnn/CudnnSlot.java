package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Event;
import dev.shortcut.bindings.cuda.GraphExec;
import dev.shortcut.bindings.cuda.PinnedMemory;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.cudnn.CudnnHandle;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.backend.Slot;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * One arena, two streams, a cuDNN handle, and for each batch size its steps and the CUDA graph made
 * of them.
 *
 * <p>Batches are copied on one stream and computed on the other, so that while one slot computes
 * another one's copies run; events order the two, and the host waits once, at the end.
 */
final class CudnnSlot implements Slot {
  private final CudnnDevice device;
  private final Options.Launch launch;
  private final long imageBytes;
  private final long imagePixels;
  private final long resultBytes;

  private final Stream transfers;
  private final Stream compute;
  private final Event uploaded;
  private final Event computed;
  private final Event downloaded;
  private final MemorySegment inputStaging;
  private final MemorySegment outputStaging;

  /** By number of images: the smallest program that has room for them. */
  private final Compiled[] bySize;

  /** A program with addresses and the CUDA graph of its steps. */
  private record Compiled(BoundProgram program, GraphExec graph) {}

  private CudnnSlot(CudnnDevice device, Sizes sizes, Options options, Closer owner) {
    this.device = device;
    this.launch = options.launch();
    this.imageBytes = sizes.imageBytes();
    this.imagePixels = sizes.imagePixels();
    this.resultBytes = sizes.resultBytes();
    Context context = device.context();
    transfers = owner.own(context.newStream());
    compute = owner.own(context.newStream());
    uploaded = owner.own(context.newEvent());
    computed = owner.own(context.newEvent());
    downloaded = owner.own(context.newBlockingEvent());
    int largest = sizes.largest();
    inputStaging = pinned(context, largest * imageBytes, owner);
    outputStaging = pinned(context, largest * resultBytes, owner);
    bySize = new Compiled[largest + 1];
  }

  /**
   * What a slot must have room for.
   *
   * @param largest images of the largest batch
   * @param imageBytes bytes of an image as it is handed over
   * @param imagePixels pixels of an image
   * @param resultBytes bytes of an image's results
   * @param arenaBytes bytes of the arena
   */
  record Sizes(int largest, long imageBytes, long imagePixels, long resultBytes, long arenaBytes) {}

  /**
   * Makes a slot on a device, whose context must be current; everything has run once then, and is
   * captured.
   *
   * @param programs ascending by batch
   */
  static CudnnSlot prepare(
      CudnnDevice device, List<Program> programs, Sizes sizes, Options options, Closer owner) {
    var slot = new CudnnSlot(device, sizes, options, owner);
    DeviceMemory arena = owner.own(device.context().allocate(sizes.arenaBytes()));
    CudnnHandle handle = owner.own(device.cudnn().newHandle());
    handle.setStream(slot.compute);
    var plans = new SlotPlans(device, handle, owner);
    Arena memory = owner.sharedArena();
    List<BoundProgram> bound = new ArrayList<>();
    for (Program program : programs) {
      bound.add(
          new BoundProgram(
              program,
              device,
              plans,
              arena.address(),
              program.input(),
              program.output().of(program.batch()),
              memory,
              owner));
    }
    for (BoundProgram program : bound) {
      slot.warmUp(program);
    }
    int next = 0;
    for (BoundProgram program : bound) {
      var compiled = new Compiled(program, slot.capture(program, owner));
      for (; next <= program.batch(); next++) {
        slot.bySize[next] = compiled;
      }
    }
    return slot;
  }

  private void warmUp(BoundProgram program) {
    try {
      program.warmUp(compute, program.batch() * imagePixels);
    } catch (RuntimeException e) {
      throw device.health().failed("the first run of " + program.attempted(), e, compute);
    }
  }

  private GraphExec capture(BoundProgram program, Closer owner) {
    try {
      return owner.own(device.capture(compute, program::enqueueSteps));
    } catch (RuntimeException e) {
      throw device.health().failed("recording " + program.attempted(), e, compute);
    }
  }

  @Override
  public void attach() {
    try {
      device.context().push();
    } catch (CudaException e) {
      throw device.health().failed("making the context current", e);
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
  public void run(int images, MemorySegment input, MemorySegment output) {
    device.health().check();
    BoundProgram program = bySize[images].program();
    try {
      upload(program, images, input);
      program.enqueueInput(compute, program.handedOver(), images * imagePixels);
      switch (launch) {
        case GRAPH -> {
          program.attempt("the network's CUDA graph");
          compute.launch(bySize[images].graph());
        }
        case EAGER -> program.enqueueSteps(compute);
        case STEPWISE -> {
          compute.synchronize();
          for (int step = 0; step < program.steps(); step++) {
            program.enqueue(compute, step);
            compute.synchronize();
          }
        }
      }
      program.enqueueOutput(compute, program.handedBack());
      download(program, images, output);
    } catch (RuntimeException e) {
      throw device.health().failed(program.attempted(), e, compute, transfers);
    }
  }

  private void upload(BoundProgram program, int images, MemorySegment input) {
    program.attempt("copying the images to the device");
    long bytes = images * imageBytes;
    // From memory that is not pinned the driver would copy here and now, and not beside other work.
    if (input.address() != inputStaging.address()) {
      MemorySegment.copy(input, 0, inputStaging, 0, bytes);
    }
    transfers.copyToDevice(program.handedOver(), inputStaging, bytes);
    transfers.record(uploaded);
    compute.waitFor(uploaded);
  }

  private void download(BoundProgram program, int images, MemorySegment output) {
    program.attempt("copying the results from the device");
    long bytes = images * resultBytes;
    compute.record(computed);
    transfers.waitFor(computed);
    transfers.copyToHost(outputStaging, program.handedBack(), bytes);
    transfers.record(downloaded);
    downloaded.synchronize();
    if (output.address() != outputStaging.address()) {
      MemorySegment.copy(outputStaging, 0, output, 0, bytes);
    }
  }

  /** Kernels are launched one by one, and timed by the device. */
  @Override
  public void profile(int images, MemorySegment input, MemorySegment output, Stopwatch stopwatch) {
    device.health().check();
    BoundProgram program = bySize[images].program();
    try (var owner = new Closer()) {
      // One mark before the input's conversion, one behind it and each step.
      List<Event> marks = new ArrayList<>();
      for (int mark = 0; mark < program.steps() + 3; mark++) {
        marks.add(owner.own(device.context().newTimedEvent()));
      }
      upload(program, images, input);
      compute.record(marks.get(0));
      program.enqueueInput(compute, program.handedOver(), images * imagePixels);
      compute.record(marks.get(1));
      for (int step = 0; step < program.steps(); step++) {
        program.enqueue(compute, step);
        compute.record(marks.get(step + 2));
      }
      program.enqueueOutput(compute, program.handedBack());
      compute.record(marks.getLast());
      download(program, images, output);
      for (int mark = 1; mark < marks.size(); mark++) {
        String name =
            mark == 1 ? "input" : mark == marks.size() - 1 ? "output" : program.node(mark - 2);
        float millis = marks.get(mark).millisSince(marks.get(mark - 1));
        stopwatch.step(name, (long) (millis * 1e6));
      }
    } catch (RuntimeException e) {
      throw device.health().failed(program.attempted(), e, compute, transfers);
    }
  }

  private static MemorySegment pinned(Context context, long bytes, Closer owner) {
    PinnedMemory memory = owner.own(context.allocatePinned(bytes));
    // Images that a first run reads should be numbers.
    return memory.segment().fill((byte) 0);
  }
}
