package dev.shortcut.engine.backend.jcudnn;

import dev.shortcut.bindings.cuda.CaptureCount;
import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.jcuda.FromJCuda;
import dev.shortcut.bindings.jcuda.ToJCuda;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.backend.ExecutionSlot;
import dev.shortcut.engine.backend.PlatformThread;
import jcuda.driver.CUcontext;
import jcuda.driver.CUevent;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUstream;
import jcuda.driver.CUstreamCaptureStatus;
import jcuda.driver.JCudaDriver;

/**
 * An embedder's slot: an arena, a lane that follows the caller from stream to stream, and the CUDA
 * graph of the steps between the two edges, which alone touch the caller's memory.
 *
 * <p>Graphs of the caller's are counted by {@link CaptureCount}, which is not JCuda's: JCuda 12.6
 * has neither {@code cuUserObjectCreate} nor {@code cuGraphRetainUserObject}, its {@code
 * cuStreamGetCaptureInfo} throws, and so it tells neither which graph a stream records nor when
 * that is destroyed.
 */
final class JCudnnExecution implements ExecutionSlot {
  private final JCudnnDevice device;
  private final CUcontext context;
  private final Cuda cuda;
  private final Context borrowed;
  private final Options.Launch launch;
  private final Closer owner;
  private final long bytes;
  private final Lane lane;
  private final BoundProgram program;
  private final CaptureCount captures;

  // Made once, so that enqueueing makes no object.
  private final Call enter;
  private final Call leave;
  private final Call askWhetherCaptured;
  private final Call await;
  private final Call mark;
  private final Call finish;
  private final Call launchGraph;
  private final int[] captureStatus = new int[1];

  // The stream of the last call: most callers have one only.
  private Stream stream;
  private boolean ran;
  private boolean closed;

  private JCudnnExecution(
      JCudnnDevice device,
      CUcontext context,
      Cuda cuda,
      Options.Launch launch,
      Program program,
      Request request,
      Closer owner) {
    this.device = device;
    this.context = context;
    this.cuda = cuda;
    this.launch = launch;
    this.owner = owner;
    bytes = bytes(program);
    borrowed = cuda.borrow(FromJCuda.handle(context));
    captures = owner.own(new CaptureCount(borrowed));
    CUstream own = Driver.stream(owner);
    stream = FromJCuda.stream(cuda, borrowed, own);
    CUevent done = Driver.event(owner);
    DeviceAddress arena = Driver.allocate(bytes, owner);
    lane = new Lane(device, own, arena, owner.sharedArena(), owner);
    Normalisation normalisation = normalisation(request);
    this.program = new BoundProgram(between(program, request, request.images, normalisation), lane);
    CUgraphExec graph =
        start(new BoundProgram(between(program, request, 0, normalisation), lane), own);
    var popped = new CUcontext();
    enter = Call.driver("cuCtxPushCurrent", () -> JCudaDriver.cuCtxPushCurrent(context));
    leave = Call.driver("cuCtxPopCurrent", () -> JCudaDriver.cuCtxPopCurrent(popped));
    askWhetherCaptured =
        Call.driver(
            "cuStreamIsCapturing",
            () -> JCudaDriver.cuStreamIsCapturing(lane.stream(), captureStatus));
    await =
        Call.driver(
            "cuStreamWaitEvent", () -> JCudaDriver.cuStreamWaitEvent(lane.stream(), done, 0));
    mark = Call.driver("cuEventRecord", () -> JCudaDriver.cuEventRecord(done, lane.stream()));
    finish = Call.driver("cuEventSynchronize", () -> JCudaDriver.cuEventSynchronize(done));
    launchGraph =
        Call.driver("cuGraphLaunch", () -> JCudaDriver.cuGraphLaunch(graph, lane.stream()));
  }

  /**
   * What an execution is for.
   *
   * @param images of each batch
   * @param input what images are handed over as
   */
  record Request(int images, InputFormat input) {}

  /** Where the means and standard deviations of bytes are. */
  private record Normalisation(Program.Place mean, Program.Place std) {}

  /**
   * Makes one, on a platform thread that ends with the device's context current; everything has run
   * once then, and is captured.
   *
   * @param program has room for the images
   */
  static JCudnnExecution prepare(
      JCudnnDevice device,
      CUcontext context,
      Cuda cuda,
      Options.Launch launch,
      Program program,
      Request request) {
    var owner = new Closer();
    try {
      return new JCudnnExecution(device, context, cuda, launch, program, request, owner);
    } catch (Throwable t) {
      // Of a device that is lost nothing can be freed.
      if (!device.health().isLost() && !Health.sticky(t)) {
        owner.closeAfter(t);
      }
      throw t;
    }
  }

  /** Device memory that an execution of a program takes, in bytes. */
  static long bytes(Program program) {
    return program.plan().bytes();
  }

  private Normalisation normalisation(Request request) {
    if (!(request.input instanceof InputFormat.Uint8Nhwc format)) {
      return new Normalisation(new Program.Place.Nowhere(), new Program.Place.Nowhere());
    }
    // The model's own format may be another one, so that these are not among its constants.
    var form = new Constants.Normalisation(format.mean(), format.std());
    long second = form.firstBytes();
    DeviceAddress block =
        device.upload(
            second + form.secondBytes(),
            host -> form.write(host, host.asSlice(second)),
            "the normalisation",
            owner);
    return new Normalisation(
        new Program.Place.Elsewhere(block), new Program.Place.Elsewhere(block.plus(second)));
  }

  private static Program between(
      Program program, Request request, int images, Normalisation normalisation) {
    return program.between(
        Edges.input(
            program.images(),
            program.batch(),
            images,
            request.input,
            new Program.Place.CallersImages(),
            normalisation.mean,
            normalisation.std),
        Edges.output(
            images * program.resultElements(),
            program.handedBack(),
            new Program.Place.CallersResults()));
  }

  /**
   * Runs everything once, since kernels are loaded at their first run, which a capture does not
   * allow, and captures what is between the edges.
   *
   * @param ofNoImages the program, touching nothing of anybody's
   * @throws JCudaException if there is too little memory
   */
  private CUgraphExec start(BoundProgram ofNoImages, CUstream own) {
    try {
      ofNoImages.enqueueAll();
      Driver.synchronize(own);
    } catch (JCudaException e) {
      throw drained("the first run of " + ofNoImages.attempted(), e, own);
    }
    try {
      return device.capture(own, program::enqueueInner, owner);
    } catch (JCudaException e) {
      throw drained("recording " + program.attempted(), e, own);
    }
  }

  /** Waits for what is enqueued, which uses what is about to be freed. */
  private RuntimeException drained(String attempted, JCudaException e, CUstream own) {
    RuntimeException failure = device.health().failed(attempted, e, own);
    return e.outOfMemory() && !device.health().isLost() ? e : failure;
  }

  @Override
  public long bytes() {
    return bytes;
  }

  @Override
  public void enqueue(long input, long output, long streamHandle) {
    device.health().check();
    if (stream.handle() != streamHandle) {
      lane.moveTo(ToJCuda.stream(streamHandle));
      stream = cuda.borrowStream(borrowed, streamHandle);
    }
    program.serve(input, output);
    program.attempt("entering the CUDA context");
    try {
      // Nothing up to the pop may park the caller's thread, which may be a virtual one.
      enter.run();
      try {
        enqueueHere();
      } finally {
        leave.run();
      }
    } catch (JCudaException | CudaException e) {
      throw device.health().failed(program.attempted() + ", enqueued by the caller,", e, null);
    }
  }

  private void enqueueHere() {
    program.attempt("asking whether the stream is being captured");
    askWhetherCaptured.run();
    switch (captureStatus[0]) {
      case CUstreamCaptureStatus.CU_STREAM_CAPTURE_STATUS_NONE -> {
        if (ran) {
          program.attempt("waiting for the last batch");
          // On the same stream too: a stream that is made where one was destroyed has its address.
          await.run();
        }
        runMarked();
      }
      case CUstreamCaptureStatus.CU_STREAM_CAPTURE_STATUS_ACTIVE -> {
        program.attempt("counting the captured graph");
        captures.add(stream);
        lead();
        // A graph cannot be launched into a capture.
        program.enqueueAll();
      }
      default ->
          throw new IllegalStateException(
              "the stream's capture was spoiled by an earlier call; end it");
    }
  }

  private void runMarked() {
    try {
      run();
      program.attempt("marking the end of the batch");
      mark.run();
      ran = true;
    } catch (JCudaException e) {
      markBehind(e);
      throw e;
    }
  }

  /**
   * What was enqueued of a batch before it failed is waited for as a whole batch is: by the next
   * one, and before anything is freed.
   */
  private void markBehind(JCudaException failure) {
    try {
      mark.run();
      ran = true;
    } catch (JCudaException unmarked) {
      failure.addSuppressed(unmarked);
      try {
        Driver.synchronize(lane.stream());
      } catch (JCudaException e) {
        failure.addSuppressed(e);
      }
    }
  }

  private void run() {
    switch (launch) {
      case GRAPH -> {
        program.enqueue(0);
        program.attempt("the network's CUDA graph");
        launchGraph.run();
        program.enqueue(program.steps() - 1);
      }
      case EAGER -> {
        lead();
        program.enqueueAll();
      }
      case STEPWISE -> {
        lead();
        for (int step = 0; step < program.steps(); step++) {
          program.enqueue(step);
          Driver.synchronize(lane.stream());
        }
      }
    }
  }

  private void lead() {
    program.attempt("leading cuDNN and cuBLAS to the stream");
    lane.leadHandles();
  }

  @Override
  public int capturedGraphs() {
    return captures.alive();
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    PlatformThread.call(
        "shortcut-jcuda-close",
        () -> {
          closeHere();
          return null;
        });
  }

  /** Of a device that is lost nothing can be freed. */
  private void closeHere() {
    if (device.health().isLost()) {
      return;
    }
    try {
      Driver.enter(context);
      if (ran) {
        finish.run();
      }
    } catch (JCudaException e) {
      throw device.health().failed("the last batch of an execution", e, null);
    } finally {
      if (!device.health().isLost()) {
        owner.close();
      }
    }
  }
}
