package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cublas.CublasException;
import dev.shortcut.bindings.cuda.CaptureCount;
import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.bindings.cuda.CudaStatus;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Event;
import dev.shortcut.bindings.cuda.GraphExec;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.cudnn.CudnnException;
import dev.shortcut.bindings.cudnn.CudnnHandle;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.backend.ExecutionSlot;
import dev.shortcut.engine.backend.PlatformThread;
import dev.shortcut.engine.graph.Shape;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;

/**
 * An embedder's slot: an arena and a cuDNN handle, and the CUDA graph of the steps between the two
 * edges, which alone touch the caller's memory. Runs on whatever streams of its context it is
 * given.
 */
final class CudnnExecution implements ExecutionSlot {
  private static final Logger LOG = System.getLogger(CudnnExecution.class.getName());

  private final CudnnDevice device;
  private final Cuda cuda;
  private final Options.Launch launch;
  private final Closer owner;
  private final long bytes;
  private final long pixels;
  private final BoundProgram program;
  private final CudnnHandle handle;
  private final GraphExec graph;
  private final Event done;
  private final CaptureCount captures;

  // The stream of the last call: most callers have one only.
  private Stream stream;
  private boolean ran;
  private boolean closed;

  private CudnnExecution(
      CudnnDevice device,
      Cuda cuda,
      Options.Launch launch,
      Program program,
      Request request,
      Closer owner) {
    this.device = device;
    this.cuda = cuda;
    this.launch = launch;
    this.owner = owner;
    this.bytes = bytes(program);
    Shape image = request.image();
    this.pixels = (long) request.images() * image.height() * image.width();
    Context context = device.context();
    Stream own = owner.own(context.newStream());
    stream = own;
    done = owner.own(context.newEvent());
    captures = owner.own(new CaptureCount(context));
    DeviceMemory arena = owner.own(context.allocate(program.plan().bytes()));
    handle = owner.own(device.cudnn().newHandle());
    handle.setStream(own);
    Arena memory = owner.sharedArena();
    this.program =
        new BoundProgram(
            program,
            device,
            new SlotPlans(device, handle, owner),
            arena.address(),
            input(program, request),
            program.output().of(request.images()),
            memory,
            owner);
    graph = owner.own(start(own));
  }

  /**
   * Runs everything once and captures what is between the edges.
   *
   * @throws CudaException if there is too little memory
   */
  private GraphExec start(Stream own) {
    try {
      // Of no images: here they may need more room than the arena has for those of the model.
      program.warmUp(own, 0);
    } catch (CudaException | CudnnException | CublasException e) {
      throw drained("the first run of " + program.attempted(), e, own);
    }
    try {
      return device.capture(own, program::enqueueSteps);
    } catch (CudaException | CudnnException | CublasException e) {
      throw drained("recording " + program.attempted(), e, own);
    }
  }

  /** Waits for what is enqueued, which uses what is about to be freed. */
  private RuntimeException drained(String attempted, RuntimeException e, Stream own) {
    RuntimeException failure = device.health().failed(attempted, e, own);
    boolean outOfMemory =
        e instanceof CudaException cuda && cuda.status() == CudaStatus.OUT_OF_MEMORY;
    return outOfMemory && !device.health().isLost() ? e : failure;
  }

  /**
   * What an execution is for.
   *
   * @param images of each batch
   * @param image the shape of one in the graph
   * @param input what images are handed over as
   */
  record Request(int images, Shape image, InputFormat input) {}

  /**
   * Makes one, on a platform thread that ends with the device's context current; everything has run
   * once then, and is captured.
   *
   * @param program has room for the images
   */
  static CudnnExecution prepare(
      CudnnDevice device, Cuda cuda, Options.Launch launch, Program program, Request request) {
    var owner = new Closer();
    try {
      return new CudnnExecution(device, cuda, launch, program, request, owner);
    } catch (Throwable t) {
      // Of a device that is lost nothing can be freed.
      if (!device.health().isLost() && !Health.isSticky(t)) {
        owner.closeAfter(t);
      }
      throw t;
    }
  }

  /** Device memory that an execution of a program takes, in bytes. */
  static long bytes(Program program) {
    return program.plan().bytes();
  }

  private Program.Launch input(Program program, Request request) {
    Program.Operand mean = new Program.Operand.None();
    Program.Operand std = mean;
    if (request.input() instanceof InputFormat.Uint8Nhwc format) {
      // The model's own format may be another one, so that these are not among its constants.
      long bytes = (long) request.image().channels() * Float.BYTES;
      long block =
          device.upload(
              2 * bytes,
              host -> Edges.normalisation(format, host, host.asSlice(bytes)),
              "the normalisation",
              owner);
      mean = new Program.Operand.Elsewhere(block);
      std = new Program.Operand.Elsewhere(block + bytes);
    }
    return Edges.input(
        request.image(), program.batch(), request.input(), program.first(), mean, std);
  }

  @Override
  public long bytes() {
    return bytes;
  }

  @Override
  public void enqueue(long input, long output, long streamHandle) {
    device.health().check();
    if (stream.handle() != streamHandle) {
      stream = cuda.borrowStream(device.context(), streamHandle);
    }
    program.attempt("entering the CUDA context");
    try {
      // Nothing up to the pop may park the caller's thread, which may be a virtual one.
      device.context().push();
      try {
        enqueueHere(input, output);
      } finally {
        device.context().pop();
      }
    } catch (CudaException | CudnnException | CublasException e) {
      throw device.health().failed(program.attempted() + ", enqueued by the caller,", e);
    }
  }

  private void enqueueHere(long input, long output) {
    program.attempt("asking whether the stream is being captured");
    switch (stream.captureStatus()) {
      case NONE -> {
        if (ran) {
          program.attempt("waiting for the last batch");
          // On the same stream too: a stream that is made where one was destroyed has its address.
          stream.waitFor(done);
        }
        runMarked(input, output);
      }
      case ACTIVE -> {
        program.attempt("counting the captured graph");
        captures.add(stream);
        handle.setStream(stream);
        // A graph cannot be launched into a capture.
        program.enqueue(stream, input, pixels, output);
      }
      case INVALIDATED, UNKNOWN ->
          throw new IllegalStateException(
              "the stream's capture was spoiled by an earlier call; end it");
    }
  }

  private void runMarked(long input, long output) {
    try {
      run(input, output);
      program.attempt("marking the end of the batch");
      stream.record(done);
      ran = true;
    } catch (CudaException | CudnnException | CublasException e) {
      markBehind(e);
      throw e;
    }
  }

  /**
   * What was enqueued of a batch before it failed is waited for as a whole batch is: by the next
   * one, and before anything is freed.
   */
  private void markBehind(RuntimeException failure) {
    try {
      stream.record(done);
      ran = true;
    } catch (CudaException unmarked) {
      failure.addSuppressed(unmarked);
      try {
        stream.synchronize();
      } catch (CudaException e) {
        failure.addSuppressed(e);
      }
    }
  }

  private void run(long input, long output) {
    switch (launch) {
      case GRAPH -> {
        program.enqueueInput(stream, input, pixels);
        program.attempt("the network's CUDA graph");
        stream.launch(graph);
        program.enqueueOutput(stream, output);
      }
      case EAGER -> {
        handle.setStream(stream);
        program.enqueue(stream, input, pixels, output);
      }
      case STEPWISE -> {
        handle.setStream(stream);
        program.enqueueInput(stream, input, pixels);
        for (int step = 0; step < program.steps(); step++) {
          program.enqueue(stream, step);
          stream.synchronize();
        }
        program.enqueueOutput(stream, output);
      }
    }
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
        "shortcut-cuda-close",
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
      enter();
      if (ran) {
        done.synchronize();
      }
    } catch (CudaException e) {
      throw device.health().failed("the last batch of an execution", e);
    } finally {
      if (!device.health().isLost()) {
        owner.close();
      }
    }
  }

  /** Makes the context current on a thread that ends then; without, nothing could be waited for. */
  private void enter() {
    try {
      device.context().push();
    } catch (CudaException e) {
      LOG.log(Level.WARNING, "closing an execution on " + device.name(), e);
      device.context().push();
    }
  }
}
