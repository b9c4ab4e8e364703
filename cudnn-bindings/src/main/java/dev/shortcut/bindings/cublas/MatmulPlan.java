package dev.shortcut.bindings.cublas;

import static dev.shortcut.bindings.library.CTypes.FLOAT;
import static dev.shortcut.bindings.library.CTypes.INT;
import static dev.shortcut.bindings.library.CTypes.LONG;
import static dev.shortcut.bindings.library.CTypes.SHORT;

import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.library.NativeHandle;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;

/**
 * A matrix product with its algorithm chosen. For one thread at a time: the bias' address is part
 * of it. Owns its descriptors until it is closed.
 */
public final class MatmulPlan implements AutoCloseable {
  /** What every matrix and the bias must be aligned to, in bytes; algorithms are chosen for it. */
  public static final int ALIGNMENT = 256;

  private static final String DESCRIPTOR = "cuBLASLt descriptor";

  /** How many algorithms are asked for; the first that fits is taken. */
  private static final int CANDIDATES = 16;

  /** Heuristics want an aligned address for the bias before there is one, and do not read it. */
  private static final long BIAS_TO_COME = 1L << 20;

  private final Closer owned = new Closer();
  private final CublasLtHandle handle;
  private final Matmul matmul;
  private final NativeHandle description;
  private final NativeHandle w;
  private final NativeHandle x;
  private final NativeHandle y;
  private final MemorySegment algorithm;
  private final MemorySegment one;
  private final MemorySegment zero;
  private final MemorySegment biasAddress;
  private final long workspaceBytes;
  private final NumericalImplementation numericalImplementation;
  private final String text;

  private MatmulPlan(CublasLtHandle handle, Matmul matmul, long mostWorkspaceBytes, int rank) {
    this.handle = handle;
    this.matmul = matmul;
    // Collected, not closed: nothing here may be freed while a run is under way on another thread.
    Arena arena = Arena.ofAuto();
    algorithm = arena.allocate(CublasLtFunctions.ALGO_BYTES, Long.BYTES);
    one = arena.allocateFrom(FLOAT, 1);
    zero = arena.allocateFrom(FLOAT, 0);
    biasAddress = arena.allocateFrom(LONG, BIAS_TO_COME);
    try (Arena frame = Arena.ofConfined()) {
      CublasLtFunctions functions = handle.functions();
      description = descriptionOf(functions, frame);
      w = layout(functions, matmul.k(), matmul.n());
      x = layout(functions, matmul.k(), matmul.m());
      y = layout(functions, matmul.n(), matmul.m());
      MemorySegment result = choose(functions, frame, mostWorkspaceBytes, rank);
      MemorySegment.copy(result, 0, algorithm, 0, CublasLtFunctions.ALGO_BYTES);
      workspaceBytes = result.get(LONG, CublasLtFunctions.RESULT_WORKSPACE);
      numericalImplementation = implementation(functions, frame, algorithm);
      text =
          "algorithm %d, tile %d, stages %d, split-k %d, cluster %d"
              .formatted(
                  setting(functions, frame, CublasConstants.ALGO_CONFIG_ID),
                  setting(functions, frame, CublasConstants.ALGO_CONFIG_TILE_ID),
                  setting(functions, frame, CublasConstants.ALGO_CONFIG_STAGES_ID),
                  setting(functions, frame, CublasConstants.ALGO_CONFIG_SPLITK_NUM),
                  clusterShape(functions, frame));
    } catch (Throwable t) {
      owned.closeAfter(t);
      throw t;
    }
  }

  /**
   * Chooses cuBLASLt's best algorithm for the current context's device: one that needs no more
   * workspace than allowed, sums in single precision, and uses TF32 only where that was asked for.
   *
   * @param mostWorkspaceBytes the most that may be needed in {@link #run}
   * @throws CublasException if there is none
   */
  public static MatmulPlan of(CublasLtHandle handle, Matmul matmul, long mostWorkspaceBytes) {
    return of(handle, matmul, mostWorkspaceBytes, 0);
  }

  /**
   * As {@link #of(CublasLtHandle, Matmul, long)}, but not the best one by cuBLASLt's own judgement.
   *
   * @param rank how many that would do are passed over
   * @throws CublasException if there are no more
   */
  public static MatmulPlan of(
      CublasLtHandle handle, Matmul matmul, long mostWorkspaceBytes, int rank) {
    try {
      return new MatmulPlan(handle, matmul, mostWorkspaceBytes, rank);
    } catch (CublasException e) {
      throw new CublasException(
          "choosing an algorithm for " + matmul + " with " + mostWorkspaceBytes + " bytes", e);
    }
  }

  /** Bytes of device memory that each run scribbles on; may be 0. */
  public long workspaceBytes() {
    return workspaceBytes;
  }

  /** How it computes. */
  public NumericalImplementation numericalImplementation() {
    return numericalImplementation;
  }

  /**
   * What was chosen, such as {@code algorithm 21, tile 20, stages 24, split-k 1, cluster 0}, by
   * cuBLASLt's own numbers.
   */
  public String description() {
    return text;
  }

  /**
   * Enqueues the product; allocates nothing. All addresses are in device memory and aligned to
   * {@link #ALIGNMENT}.
   *
   * @param bias ignored where the product has none
   * @param workspace at least {@link #workspaceBytes}, for this run alone
   * @throws CublasException if cuBLASLt refuses it or the launch failed
   */
  public void run(Stream stream, long x, long w, long bias, long y, long workspace) {
    CublasLtFunctions functions = handle.functions();
    if (matmul.bias() && biasAddress.get(LONG, 0) != bias) {
      biasAddress.set(LONG, 0, bias);
      functions.matmulDescSetAttribute(
          description.get(),
          CublasConstants.MATMUL_DESC_BIAS_POINTER,
          biasAddress,
          LONG.byteSize());
    }
    functions.matmul(
        handle.handle(),
        description.get(),
        one,
        w,
        this.w.get(),
        x,
        this.x.get(),
        zero,
        y,
        this.y.get(),
        y,
        this.y.get(),
        algorithm,
        workspace,
        workspaceBytes,
        stream.handle());
  }

  /** Destroys the descriptors; a second time does nothing. What cuBLAS says to it is logged. */
  @Override
  public void close() {
    owned.close();
  }

  private NativeHandle descriptionOf(CublasLtFunctions functions, Arena frame) {
    NativeHandle created =
        own(
            out ->
                functions.matmulDescCreate(out, matmul.compute().code(), MatrixType.FLOAT.code()),
            functions::matmulDescDestroy);
    set(functions, frame, created, CublasConstants.MATMUL_DESC_TRANSA, CublasConstants.OP_T);
    set(functions, frame, created, CublasConstants.MATMUL_DESC_EPILOGUE, matmul.epilogue());
    if (matmul.bias()) {
      set(
          functions,
          frame,
          created,
          CublasConstants.MATMUL_DESC_BIAS_DATA_TYPE,
          matmul.type().code());
      functions.matmulDescSetAttribute(
          created.get(), CublasConstants.MATMUL_DESC_BIAS_POINTER, biasAddress, LONG.byteSize());
    }
    return created;
  }

  private static void set(
      CublasLtFunctions functions, Arena frame, NativeHandle created, int attribute, int value) {
    functions.matmulDescSetAttribute(
        created.get(), attribute, frame.allocateFrom(INT, value), INT.byteSize());
  }

  /** Column-major with full columns: what rows are to us. */
  private NativeHandle layout(CublasLtFunctions functions, long rows, long columns) {
    return own(
        out -> functions.matrixLayoutCreate(out, matmul.type().code(), rows, columns, rows),
        functions::matrixLayoutDestroy);
  }

  private NativeHandle own(Consumer<MemorySegment> create, Consumer<MemorySegment> destroy) {
    return owned.own(NativeHandle.create(DESCRIPTOR, create, destroy));
  }

  private MemorySegment choose(
      CublasLtFunctions functions, Arena frame, long mostWorkspaceBytes, int rank) {
    MemorySegment results = frame.allocate(CANDIDATES * CublasLtFunctions.RESULT_BYTES, Long.BYTES);
    MemorySegment count = frame.allocate(INT);
    try (NativeHandle preference =
        NativeHandle.create(
            DESCRIPTOR, functions::matmulPreferenceCreate, functions::matmulPreferenceDestroy)) {
      functions.matmulPreferenceSetAttribute(
          preference.get(),
          CublasConstants.MATMUL_PREF_MAX_WORKSPACE_BYTES,
          frame.allocateFrom(LONG, mostWorkspaceBytes),
          LONG.byteSize());
      // Partial sums of a split k are kept in single precision and added in one order.
      functions.matmulPreferenceSetAttribute(
          preference.get(),
          CublasConstants.MATMUL_PREF_REDUCTION_SCHEME_MASK,
          frame.allocateFrom(INT, CublasConstants.REDUCTION_SCHEME_COMPUTE_TYPE),
          INT.byteSize());
      for (int attribute = CublasConstants.MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
          attribute <= CublasConstants.MATMUL_PREF_MIN_ALIGNMENT_D_BYTES;
          attribute++) {
        functions.matmulPreferenceSetAttribute(
            preference.get(), attribute, frame.allocateFrom(INT, ALIGNMENT), INT.byteSize());
      }
      functions.matmulAlgoGetHeuristic(
          handle.handle(),
          description.get(),
          w.get(),
          x.get(),
          y.get(),
          y.get(),
          preference.get(),
          CANDIDATES,
          results,
          count);
    }
    int suitable = 0;
    for (int i = 0; i < Math.min(count.get(INT, 0), CANDIDATES); i++) {
      MemorySegment result =
          results.asSlice(i * CublasLtFunctions.RESULT_BYTES, CublasLtFunctions.RESULT_BYTES);
      if (result.get(INT, CublasLtFunctions.RESULT_STATE) == CublasStatus.SUCCESS.code()
          && suits(implementation(functions, frame, result))
          && suitable++ == rank) {
        return result;
      }
    }
    throw new CublasException(
        "cublasLtMatmulAlgoGetHeuristic",
        CublasStatus.NOT_SUPPORTED.code(),
        "%d of its %d algorithms compute as asked".formatted(suitable, count.get(INT, 0)));
  }

  private boolean suits(NumericalImplementation implementation) {
    return !implementation.halfAccumulator()
        && (matmul.type() != MatrixType.FLOAT
            || matmul.compute() == ComputeType.TF32
            || !implementation.tensorCores());
  }

  private static NumericalImplementation implementation(
      CublasLtFunctions functions, Arena frame, MemorySegment algorithm) {
    MemorySegment flags = frame.allocate(LONG);
    functions.matmulAlgoCapGetAttribute(
        algorithm,
        CublasConstants.ALGO_CAP_NUMERICAL_IMPL_FLAGS,
        flags,
        LONG.byteSize(),
        MemorySegment.NULL);
    return new NumericalImplementation(flags.get(LONG, 0));
  }

  private int setting(CublasLtFunctions functions, Arena frame, int attribute) {
    MemorySegment value = frame.allocate(INT);
    functions.matmulAlgoConfigGetAttribute(
        algorithm, attribute, value, INT.byteSize(), MemorySegment.NULL);
    return value.get(INT, 0);
  }

  /** Other than the rest a {@code uint16_t}. */
  private int clusterShape(CublasLtFunctions functions, Arena frame) {
    MemorySegment value = frame.allocate(SHORT);
    functions.matmulAlgoConfigGetAttribute(
        algorithm,
        CublasConstants.ALGO_CONFIG_CLUSTER_SHAPE_ID,
        value,
        SHORT.byteSize(),
        MemorySegment.NULL);
    return Short.toUnsignedInt(value.get(SHORT, 0));
  }
}
