package dev.shortcut.bindings.cudnn;

import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_CONVOLUTION_COMP_TYPE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_CONVOLUTION_CONV_MODE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_CONVOLUTION_DILATIONS;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_CONVOLUTION_FILTER_STRIDES;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_CONVOLUTION_POST_PADDINGS;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_CONVOLUTION_PRE_PADDINGS;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_CONVOLUTION_SPATIAL_DIMS;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_DEVICEPROP_JSON_REPRESENTATION;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_ENGINEHEUR_DEVICEPROP;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_ENGINEHEUR_MODE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_ENGINEHEUR_OPERATION_GRAPH;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_ENGINEHEUR_RESULTS;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_ENGINE_DEVICEPROP;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_ENGINE_GLOBAL_INDEX;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_ENGINE_NUMERICAL_NOTE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_ENGINE_OPERATION_GRAPH;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_EXECUTION_PLAN_DEVICEPROP;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_EXECUTION_PLAN_ENGINE_CONFIG;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_EXECUTION_PLAN_JSON_REPRESENTATION;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_EXECUTION_PLAN_WORKSPACE_SIZE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_KNOB_CHOICE_KNOB_TYPE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_KNOB_CHOICE_KNOB_VALUE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_OPERATIONGRAPH_OPS;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_OPERATION_CONVOLUTION_FORWARD_BETA;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_OPERATION_CONVOLUTION_FORWARD_W;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_OPERATION_CONVOLUTION_FORWARD_X;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_OPERATION_CONVOLUTION_FORWARD_Y;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_OPERATION_POINTWISE_BDESC;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_OPERATION_POINTWISE_XDESC;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_OPERATION_POINTWISE_YDESC;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_OPERATION_RESAMPLE_FWD_DESC;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_OPERATION_RESAMPLE_FWD_XDESC;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_OPERATION_RESAMPLE_FWD_YDESC;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_POINTWISE_MATH_PREC;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_POINTWISE_MODE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_RESAMPLE_COMP_TYPE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_RESAMPLE_MODE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_RESAMPLE_NAN_PROPAGATION;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_RESAMPLE_PADDING_MODE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_RESAMPLE_POST_PADDINGS;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_RESAMPLE_PRE_PADDINGS;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_RESAMPLE_SPATIAL_DIMS;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_RESAMPLE_STRIDES;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_RESAMPLE_WINDOW_DIMS;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_TENSOR_BYTE_ALIGNMENT;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_TENSOR_DATA_TYPE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_TENSOR_DIMENSIONS;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_TENSOR_IS_VIRTUAL;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_TENSOR_STRIDES;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_TENSOR_UNIQUE_ID;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_VARIANT_PACK_DATA_POINTERS;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_VARIANT_PACK_UNIQUE_IDS;
import static dev.shortcut.bindings.cudnn.CudnnConstants.ATTR_VARIANT_PACK_WORKSPACE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.BACKEND_CONVOLUTION_DESCRIPTOR;
import static dev.shortcut.bindings.cudnn.CudnnConstants.BACKEND_DEVICEPROP_DESCRIPTOR;
import static dev.shortcut.bindings.cudnn.CudnnConstants.BACKEND_ENGINECFG_DESCRIPTOR;
import static dev.shortcut.bindings.cudnn.CudnnConstants.BACKEND_ENGINEHEUR_DESCRIPTOR;
import static dev.shortcut.bindings.cudnn.CudnnConstants.BACKEND_ENGINE_DESCRIPTOR;
import static dev.shortcut.bindings.cudnn.CudnnConstants.BACKEND_EXECUTION_PLAN_DESCRIPTOR;
import static dev.shortcut.bindings.cudnn.CudnnConstants.BACKEND_KNOB_CHOICE_DESCRIPTOR;
import static dev.shortcut.bindings.cudnn.CudnnConstants.BACKEND_OPERATIONGRAPH_DESCRIPTOR;
import static dev.shortcut.bindings.cudnn.CudnnConstants.BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR;
import static dev.shortcut.bindings.cudnn.CudnnConstants.BACKEND_OPERATION_POINTWISE_DESCRIPTOR;
import static dev.shortcut.bindings.cudnn.CudnnConstants.BACKEND_OPERATION_RESAMPLE_FWD_DESCRIPTOR;
import static dev.shortcut.bindings.cudnn.CudnnConstants.BACKEND_POINTWISE_DESCRIPTOR;
import static dev.shortcut.bindings.cudnn.CudnnConstants.BACKEND_RESAMPLE_DESCRIPTOR;
import static dev.shortcut.bindings.cudnn.CudnnConstants.BACKEND_TENSOR_DESCRIPTOR;
import static dev.shortcut.bindings.cudnn.CudnnConstants.BACKEND_VARIANT_PACK_DESCRIPTOR;
import static dev.shortcut.bindings.cudnn.CudnnConstants.CROSS_CORRELATION;
import static dev.shortcut.bindings.cudnn.CudnnConstants.PROPAGATE_NAN;
import static dev.shortcut.bindings.cudnn.CudnnConstants.TYPE_CONVOLUTION_MODE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.TYPE_DATA_TYPE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.TYPE_HEUR_MODE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.TYPE_INT32;
import static dev.shortcut.bindings.cudnn.CudnnConstants.TYPE_INT64;
import static dev.shortcut.bindings.cudnn.CudnnConstants.TYPE_KNOB_TYPE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.TYPE_NAN_PROPOGATION;
import static dev.shortcut.bindings.cudnn.CudnnConstants.TYPE_NUMERICAL_NOTE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.TYPE_PADDING_MODE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.TYPE_POINTWISE_MODE;
import static dev.shortcut.bindings.cudnn.CudnnConstants.TYPE_RESAMPLE_MODE;

import dev.shortcut.bindings.library.Closer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Right and wrong uses of cuDNN's graph API, each with the answer of NVIDIA's cuDNN 9.20: one
 * table, to be put to the real library and to a stand-in for it.
 */
final class Strictness {
  /** Every call was taken. */
  static final String TAKEN = "taken";

  /** An engine was found that makes a plan. */
  static final String PLANNED = "planned";

  /** The graph was taken, but no engine makes a plan. */
  static final String NO_PLAN = "no plan";

  /** The process ends, so that the real library is never asked. */
  static final String CRASH = "crash";

  /** The software device takes the use as NVIDIA's library does, and complains of it. */
  static final String COMPLAINT = "complaint";

  private static final String DEFAULTS = "cuDNN takes a default that no document promises";
  private static final String NO_SUCH_VALUE =
      "cuDNN does not look at it, and no document says what it then does";
  private static final String NO_DEVICE = "nothing says which device is meant";
  private static final String CRASHES = "a test must survive what ends the process";

  private static final int N = 2;
  private static final int C = 64;
  private static final int H = 14;
  private static final int K = 128;

  private final List<Case> cases = new ArrayList<>();

  private Strictness() {}

  /**
   * Where the software device does not agree with NVIDIA's library.
   *
   * @param instead what it says: a verdict, or {@link #COMPLAINT}
   * @param why it says something else
   */
  record Difference(String instead, String why) {}

  /**
   * One use.
   *
   * @param name what is done, in words
   * @param verdict of NVIDIA's library: {@link #TAKEN}, {@link #PLANNED}, {@link #NO_PLAN}, {@link
   *     #CRASH}, or the call that refuses and the category of its status, such as {@code Finalize
   *     BAD_PARAM}
   * @param difference what the software device says instead; null where it agrees
   */
  record Case(String name, String verdict, @Nullable Difference difference, Consumer<Use> use) {
    /** The verdict of a library. */
    String put(Cudnn cudnn, String device) {
      try (var owner = new Closer()) {
        var use = new Use(cudnn, owner, device);
        use().accept(use);
        return use.outcome;
      } catch (CudnnException e) {
        return e.function().replaceFirst("^cudnn(Backend)?", "") + " " + category(e.code());
      }
    }

    @Override
    public String toString() {
      return name;
    }
  }

  private static String category(int code) {
    return switch (code / 1000) {
      case 1 -> "NOT_INITIALIZED";
      case 2 -> "BAD_PARAM";
      case 3 -> "NOT_SUPPORTED";
      case 4 -> "INTERNAL_ERROR";
      default -> String.valueOf(code);
    };
  }

  /** All cases. */
  static List<Case> cases() {
    var table = new Strictness();
    table.tensors();
    table.describers();
    table.operations();
    table.graphs();
    table.plans();
    table.packs();
    Set<String> names = new HashSet<>();
    for (Case each : table.cases) {
      if (!names.add(each.name())) {
        throw new AssertionError("twice: " + each.name());
      }
    }
    return List.copyOf(table.cases);
  }

  private void add(String name, String verdict, Consumer<Use> use) {
    cases.add(new Case(name, verdict, null, use));
  }

  /**
   * A use that the software device does not take as NVIDIA's library takes it.
   *
   * @param instead what it says
   * @param why why it says something else
   */
  private void differs(String name, String verdict, String instead, String why, Consumer<Use> use) {
    cases.add(new Case(name, verdict, new Difference(instead, why), use));
  }

  private void tensors() {
    add("a tensor", TAKEN, u -> u.tensor(1, DataType.HALF, false, N, C, H, H));
    for (int missing :
        new int[] {ATTR_TENSOR_DIMENSIONS, ATTR_TENSOR_STRIDES, ATTR_TENSOR_BYTE_ALIGNMENT}) {
      add(
          "a tensor without attribute " + missing,
          "Finalize BAD_PARAM",
          u -> u.tensorAttributes(missing).complete());
    }
    for (int missing : new int[] {ATTR_TENSOR_DATA_TYPE, ATTR_TENSOR_UNIQUE_ID}) {
      differs(
          "a tensor without attribute " + missing,
          TAKEN,
          COMPLAINT,
          DEFAULTS,
          u -> u.tensorAttributes(missing).complete());
    }
    add(
        "a tensor that does not say whether it is virtual",
        TAKEN,
        u -> u.tensorAttributes(ATTR_TENSOR_IS_VIRTUAL).complete());
    add(
        "a data type with the tag of an integer",
        "SetAttribute BAD_PARAM",
        u -> u.create(BACKEND_TENSOR_DESCRIPTOR).setLongs(ATTR_TENSOR_DATA_TYPE, 0));
    add(
        "a name with the tag of a small integer",
        "SetAttribute BAD_PARAM",
        u -> u.create(BACKEND_TENSOR_DESCRIPTOR).setInts(ATTR_TENSOR_UNIQUE_ID, TYPE_INT32, 1));
    add(
        "a truth value with the tag of an integer",
        "SetAttribute BAD_PARAM",
        u -> u.create(BACKEND_TENSOR_DESCRIPTOR).setLongs(ATTR_TENSOR_IS_VIRTUAL, 1));
    add(
        "dimensions with the tag of small integers",
        "SetAttribute BAD_PARAM",
        u ->
            u.create(BACKEND_TENSOR_DESCRIPTOR)
                .setInts(ATTR_TENSOR_DIMENSIONS, TYPE_INT32, N, C, H, H));
    add(
        "two data types",
        "SetAttribute BAD_PARAM",
        u ->
            u.create(BACKEND_TENSOR_DESCRIPTOR)
                .setInts(ATTR_TENSOR_DATA_TYPE, TYPE_DATA_TYPE, 2, 2));
    add(
        "two names",
        "SetAttribute BAD_PARAM",
        u -> u.create(BACKEND_TENSOR_DESCRIPTOR).setLongs(ATTR_TENSOR_UNIQUE_ID, 1, 2));
    add(
        "no dimensions",
        "SetAttribute BAD_PARAM",
        u -> u.create(BACKEND_TENSOR_DESCRIPTOR).setLongs(ATTR_TENSOR_DIMENSIONS));
    differs(
        "nine dimensions",
        TAKEN,
        COMPLAINT,
        "cuDNN finds too many only when the tensor is finished",
        u ->
            u.create(BACKEND_TENSOR_DESCRIPTOR)
                .setLongs(ATTR_TENSOR_DIMENSIONS, 1, 1, 1, 1, 1, 1, 1, 1, 1));
    add(
        "minus one dimensions",
        "SetAttribute BAD_PARAM",
        u -> {
          try (Arena frame = Arena.ofConfined()) {
            u.create(BACKEND_TENSOR_DESCRIPTOR)
                .set(ATTR_TENSOR_DIMENSIONS, TYPE_INT64, -1, frame.allocate(64, 8));
          }
        });
    add(
        "dimensions at a null pointer",
        "SetAttribute BAD_PARAM",
        u ->
            u.create(BACKEND_TENSOR_DESCRIPTOR)
                .set(ATTR_TENSOR_DIMENSIONS, TYPE_INT64, 4, MemorySegment.NULL));
    differs(
        "a data type that there is not",
        TAKEN,
        COMPLAINT,
        "cuDNN ends the process when the tensor is finished",
        u ->
            u.create(BACKEND_TENSOR_DESCRIPTOR).setInts(ATTR_TENSOR_DATA_TYPE, TYPE_DATA_TYPE, 99));
    add(
        "four dimensions and three strides",
        "Finalize BAD_PARAM",
        u ->
            u.tensorAttributes(ATTR_TENSOR_STRIDES)
                .setLongs(ATTR_TENSOR_STRIDES, 1, 1, 1)
                .complete());
    for (long alignment : new long[] {0, -1, -16, 1, 3}) {
      add(
          "an alignment of " + alignment + " for elements of 2 bytes",
          "Finalize BAD_PARAM",
          u -> u.alignedTo(alignment));
    }
    for (long alignment : new long[] {2, 16, 256}) {
      add(
          "an alignment of " + alignment + " for elements of 2 bytes",
          TAKEN,
          u -> u.alignedTo(alignment));
    }
    add(
        "a dimension of -1",
        "Finalize BAD_PARAM",
        u ->
            u.tensorAttributes(ATTR_TENSOR_DIMENSIONS)
                .setLongs(ATTR_TENSOR_DIMENSIONS, N, -1, H, H)
                .complete());
    add(
        "a stride of -1",
        "Finalize BAD_PARAM",
        u ->
            u.tensorAttributes(ATTR_TENSOR_STRIDES)
                .setLongs(ATTR_TENSOR_STRIDES, C * H * H, 1, -1, C)
                .complete());
    differs(
        "a dimension of 0",
        TAKEN,
        "Finalize BAD_PARAM",
        "there is nothing to compute, so a dimension was forgotten",
        u ->
            u.tensorAttributes(ATTR_TENSOR_DIMENSIONS)
                .setLongs(ATTR_TENSOR_DIMENSIONS, N, C, 0, H)
                .complete());
    add("three dimensions", TAKEN, Use::ofThreeDimensions);
    add(
        "rows that lie upon each other",
        TAKEN,
        u ->
            u.tensorAttributes(ATTR_TENSOR_STRIDES)
                .setLongs(ATTR_TENSOR_STRIDES, C * H * H, 1, 0, C)
                .complete());
    add(
        "a convolution's attribute on a tensor",
        "SetAttribute BAD_PARAM",
        u -> u.create(BACKEND_TENSOR_DESCRIPTOR).setLongs(ATTR_CONVOLUTION_SPATIAL_DIMS, 2));
    add(
        "an attribute that there is not",
        "SetAttribute BAD_PARAM",
        u -> u.create(BACKEND_TENSOR_DESCRIPTOR).setLongs(99_999, 2));
    add(
        "an attribute after the tensor was finished",
        "SetAttribute BAD_PARAM",
        u -> u.tensorAttributes(-1).complete().setLongs(ATTR_TENSOR_UNIQUE_ID, 7));
    add(
        "a tensor finished twice",
        "Finalize BAD_PARAM",
        u -> u.tensorAttributes(-1).complete().complete());
    add(
        "an attribute set twice",
        TAKEN,
        u -> u.tensorAttributes(-1).setLongs(ATTR_TENSOR_UNIQUE_ID, 8).complete());
    add(
        "an attribute read before the tensor was finished",
        "GetAttribute NOT_INITIALIZED",
        u -> u.tensorAttributes(-1).getLong(ATTR_TENSOR_UNIQUE_ID));
    add(
        "an attribute read after the tensor was finished",
        TAKEN,
        u -> u.tensorAttributes(-1).complete().getLong(ATTR_TENSOR_UNIQUE_ID));
    add(
        "an attribute read with another tag",
        "GetAttribute BAD_PARAM",
        u -> u.tensorAttributes(-1).complete().getInt(ATTR_TENSOR_UNIQUE_ID, TYPE_INT32));
    add(
        "a descriptor of a kind that there is not",
        "CreateDescriptor INTERNAL_ERROR",
        u -> u.create(999));
    add("a descriptor of a negative kind", "CreateDescriptor INTERNAL_ERROR", u -> u.create(-1));
  }

  private void describers() {
    add("a convolution", TAKEN, u -> u.convolutionAttributes(-1).complete());
    for (int missing :
        new int[] {
          ATTR_CONVOLUTION_SPATIAL_DIMS, ATTR_CONVOLUTION_FILTER_STRIDES, ATTR_CONVOLUTION_DILATIONS
        }) {
      add(
          "a convolution without attribute " + missing,
          "Finalize BAD_PARAM",
          u -> u.convolutionAttributes(missing).complete());
    }
    for (int missing :
        new int[] {
          ATTR_CONVOLUTION_COMP_TYPE,
          ATTR_CONVOLUTION_CONV_MODE,
          ATTR_CONVOLUTION_PRE_PADDINGS,
          ATTR_CONVOLUTION_POST_PADDINGS
        }) {
      differs(
          "a convolution without attribute " + missing,
          TAKEN,
          COMPLAINT,
          DEFAULTS,
          u -> u.convolutionAttributes(missing).complete());
    }
    add(
        "strides of zero",
        "Finalize BAD_PARAM",
        u ->
            u.convolutionAttributes(ATTR_CONVOLUTION_FILTER_STRIDES)
                .setLongs(ATTR_CONVOLUTION_FILTER_STRIDES, 0, 0)
                .complete());
    add(
        "dilations of zero",
        "Finalize BAD_PARAM",
        u ->
            u.convolutionAttributes(ATTR_CONVOLUTION_DILATIONS)
                .setLongs(ATTR_CONVOLUTION_DILATIONS, 0, 0)
                .complete());
    add(
        "negative paddings",
        "Finalize BAD_PARAM",
        u ->
            u.convolutionAttributes(ATTR_CONVOLUTION_PRE_PADDINGS)
                .setLongs(ATTR_CONVOLUTION_PRE_PADDINGS, -1, -1)
                .complete());
    add(
        "one padding for two dimensions",
        "Finalize BAD_PARAM",
        u ->
            u.convolutionAttributes(ATTR_CONVOLUTION_PRE_PADDINGS)
                .setLongs(ATTR_CONVOLUTION_PRE_PADDINGS, 1)
                .complete());
    add(
        "a convolution's mode with the tag of a data type",
        "SetAttribute BAD_PARAM",
        u ->
            u.create(BACKEND_CONVOLUTION_DESCRIPTOR)
                .setInts(ATTR_CONVOLUTION_CONV_MODE, TYPE_DATA_TYPE, CROSS_CORRELATION));
    add(
        "three paddings for two dimensions",
        "Finalize BAD_PARAM",
        u ->
            u.convolutionAttributes(ATTR_CONVOLUTION_PRE_PADDINGS)
                .setLongs(ATTR_CONVOLUTION_PRE_PADDINGS, 1, 1, 1)
                .complete());
    add(
        "two paddings for three dimensions",
        "Finalize BAD_PARAM",
        u ->
            u.convolutionAttributes(ATTR_CONVOLUTION_SPATIAL_DIMS)
                .setLongs(ATTR_CONVOLUTION_SPATIAL_DIMS, 3)
                .complete());
    differs(
        "a convolution's mode that there is not",
        TAKEN,
        COMPLAINT,
        NO_SUCH_VALUE,
        u ->
            u.convolutionAttributes(ATTR_CONVOLUTION_CONV_MODE)
                .setInts(ATTR_CONVOLUTION_CONV_MODE, TYPE_CONVOLUTION_MODE, 99)
                .complete());
    add(
        "a convolution finished twice",
        "Finalize BAD_PARAM",
        u -> u.convolutionAttributes(-1).complete().complete());
    add(
        "an attribute after the convolution was finished",
        "SetAttribute BAD_PARAM",
        u -> u.convolutionAttributes(-1).complete().setLongs(ATTR_CONVOLUTION_SPATIAL_DIMS, 2));
    differs(
        "a pointwise operation without a mode",
        TAKEN,
        COMPLAINT,
        DEFAULTS,
        u ->
            u.create(BACKEND_POINTWISE_DESCRIPTOR)
                .setType(ATTR_POINTWISE_MATH_PREC, DataType.FLOAT)
                .complete());
    differs(
        "a pointwise operation without a type",
        TAKEN,
        COMPLAINT,
        DEFAULTS,
        u ->
            u.create(BACKEND_POINTWISE_DESCRIPTOR)
                .setInts(ATTR_POINTWISE_MODE, TYPE_POINTWISE_MODE, PointwiseMode.ADD.code())
                .complete());
    differs(
        "a pointwise mode that there is not",
        TAKEN,
        COMPLAINT,
        NO_SUCH_VALUE,
        u ->
            u.create(BACKEND_POINTWISE_DESCRIPTOR)
                .setInts(ATTR_POINTWISE_MODE, TYPE_POINTWISE_MODE, 999));
    add("a pooling", TAKEN, u -> u.resampleAttributes(-1).complete());
    for (int missing :
        new int[] {
          ATTR_RESAMPLE_COMP_TYPE,
          ATTR_RESAMPLE_POST_PADDINGS,
          ATTR_RESAMPLE_PRE_PADDINGS,
          ATTR_RESAMPLE_STRIDES,
          ATTR_RESAMPLE_WINDOW_DIMS,
          ATTR_RESAMPLE_NAN_PROPAGATION,
          ATTR_RESAMPLE_PADDING_MODE
        }) {
      differs(
          "a pooling without attribute " + missing,
          TAKEN,
          COMPLAINT,
          DEFAULTS,
          u -> u.resampleAttributes(missing).complete());
    }
    differs(
        "a pooling without attribute " + ATTR_RESAMPLE_MODE,
        TAKEN,
        "Finalize NOT_SUPPORTED",
        DEFAULTS,
        u -> u.resampleAttributes(ATTR_RESAMPLE_MODE).complete());
    add(
        "a pooling without attribute " + ATTR_RESAMPLE_SPATIAL_DIMS,
        "Finalize NOT_SUPPORTED",
        u -> u.resampleAttributes(ATTR_RESAMPLE_SPATIAL_DIMS).complete());
    differs(
        "a pooling's window of zero",
        TAKEN,
        COMPLAINT,
        "cuDNN finds it when an operation has the window",
        u ->
            u.resampleAttributes(ATTR_RESAMPLE_WINDOW_DIMS)
                .setLongs(ATTR_RESAMPLE_WINDOW_DIMS, 0, 0)
                .complete());
    differs(
        "a pooling's strides of zero",
        TAKEN,
        COMPLAINT,
        "cuDNN finds it when an operation has the window",
        u ->
            u.resampleAttributes(ATTR_RESAMPLE_STRIDES)
                .setLongs(ATTR_RESAMPLE_STRIDES, 0, 0)
                .complete());
    add(
        "a device description with true for 1",
        "Finalize BAD_PARAM",
        u ->
            u.create(BACKEND_DEVICEPROP_DESCRIPTOR)
                .setText(
                    ATTR_DEVICEPROP_JSON_REPRESENTATION,
                    u.description()
                        .replace("\"supportCoopLaunch\": 1", "\"supportCoopLaunch\": true"))
                .complete());
    for (String key :
        List.of(
            "deviceVer",
            "driverVer",
            "deviceName",
            "maxThreadsPerBlock",
            "isTccDriver",
            "maxCtasPerSM",
            "smClockRateKHz",
            "maxGridSize")) {
      add(
          "a device description without " + key,
          "Finalize BAD_PARAM",
          u ->
              u.create(BACKEND_DEVICEPROP_DESCRIPTOR)
                  .setText(
                      ATTR_DEVICEPROP_JSON_REPRESENTATION,
                      u.description().replace("\"" + key + "\"", "\"x" + key + "\""))
                  .complete());
    }
    add(
        "an empty device description",
        "Finalize NOT_INITIALIZED",
        u -> u.create(BACKEND_DEVICEPROP_DESCRIPTOR).complete());
    add(
        "a device description that is no JSON",
        "Finalize BAD_PARAM",
        u ->
            u.create(BACKEND_DEVICEPROP_DESCRIPTOR)
                .setText(ATTR_DEVICEPROP_JSON_REPRESENTATION, "{\"deviceVer\": ")
                .complete());
  }

  private void operations() {
    add("an operation", TAKEN, u -> u.convolutionOperation(-1, null).complete());
    for (int missing :
        new int[] {
          ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
          ATTR_OPERATION_CONVOLUTION_FORWARD_X,
          ATTR_OPERATION_CONVOLUTION_FORWARD_W,
          ATTR_OPERATION_CONVOLUTION_FORWARD_Y
        }) {
      add(
          "a convolution operation without attribute " + missing,
          "Finalize BAD_PARAM",
          u -> u.convolutionOperation(missing, null).complete());
    }
    for (int missing :
        new int[] {
          ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, ATTR_OPERATION_CONVOLUTION_FORWARD_BETA
        }) {
      differs(
          "a convolution operation without attribute " + missing,
          TAKEN,
          COMPLAINT,
          DEFAULTS,
          u -> u.convolutionOperation(missing, null).complete());
    }
    differs(
        "an operation on a tensor that is not finished",
        TAKEN,
        COMPLAINT,
        "cuDNN finds it when the operation is finished",
        u ->
            u.create(BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
                .setDescriptors(ATTR_OPERATION_CONVOLUTION_FORWARD_X, u.tensorAttributes(-1)));
    differs(
        "an operation on a convolution instead of a tensor",
        CRASH,
        "SetAttribute BAD_PARAM",
        CRASHES,
        u ->
            u.create(BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
                .setDescriptors(
                    ATTR_OPERATION_CONVOLUTION_FORWARD_X, u.convolutionAttributes(-1).complete()));
    add(
        "an operation finished twice",
        "Finalize BAD_PARAM",
        u -> u.convolutionOperation(-1, null).complete().complete());
    add(
        "an operation on tensors of three dimensions",
        "Finalize BAD_PARAM",
        u ->
            u.convolutionOperation(ATTR_OPERATION_CONVOLUTION_FORWARD_X, u.ofThreeDimensions())
                .complete());
    add(
        "alpha with the tag of an integer",
        "SetAttribute BAD_PARAM",
        u ->
            u.create(BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
                .setLongs(ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1));
    add(
        "alpha with the tag of a double",
        TAKEN,
        u ->
            u.create(BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
                .setDouble(ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1));
    add(
        "a result with a row too many",
        "Finalize BAD_PARAM",
        u ->
            u.convolutionOperation(
                    ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                    u.tensor(6, DataType.HALF, false, N, K, H + 1, H))
                .complete());
    add(
        "a result with half the channels",
        "Finalize BAD_PARAM",
        u ->
            u.convolutionOperation(
                    ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                    u.tensor(6, DataType.HALF, false, N, K / 2, H, H))
                .complete());
    add(
        "a result for another batch",
        "Finalize BAD_PARAM",
        u ->
            u.convolutionOperation(
                    ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                    u.tensor(6, DataType.HALF, false, N + 1, K, H, H))
                .complete());
    add(
        "a filter for more channels than there are",
        "Finalize BAD_PARAM",
        u ->
            u.convolutionOperation(
                    ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                    u.tensor(2, DataType.HALF, false, K, 2 * C, 3, 3))
                .complete());
    add(
        "a filter for channels that do not divide",
        "Finalize BAD_PARAM",
        u ->
            u.convolutionOperation(
                    ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                    u.tensor(2, DataType.HALF, false, K, C - 1, 3, 3))
                .complete());
    add(
        "an addition without a second operand",
        "Finalize BAD_PARAM",
        u -> u.pointwise(PointwiseMode.ADD, u.y(1), null, u.y(2)));
    differs(
        "a rectifier with a second operand",
        TAKEN,
        COMPLAINT,
        "cuDNN ignores the operand, which somebody wanted read",
        u -> u.pointwise(PointwiseMode.RELU_FWD, u.y(1), u.y(2), u.y(3)));
    add(
        "an addition of a vector along the channels",
        TAKEN,
        u ->
            u.pointwise(
                PointwiseMode.ADD, u.y(1), u.tensor(2, DataType.HALF, false, 1, K, 1, 1), u.y(3)));
    differs(
        "an addition of a vector of half the channels",
        TAKEN,
        COMPLAINT,
        "no engine computes it as it stands",
        u ->
            u.pointwise(
                PointwiseMode.ADD,
                u.y(1),
                u.tensor(2, DataType.HALF, false, 1, K / 2, 1, 1),
                u.y(3)));
    differs(
        "an addition of a tensor for a larger batch",
        TAKEN,
        COMPLAINT,
        "no engine computes it as it stands",
        u ->
            u.pointwise(
                PointwiseMode.ADD,
                u.y(1),
                u.tensor(2, DataType.HALF, false, N + 1, K, H, H),
                u.y(3)));
    differs(
        "an addition to a result that is smaller",
        TAKEN,
        COMPLAINT,
        "no engine computes it as it stands",
        u ->
            u.pointwise(
                PointwiseMode.ADD, u.y(1), u.y(2), u.tensor(3, DataType.HALF, false, 1, K, 1, 1)));
    differs(
        "a pooling operation without attribute " + ATTR_OPERATION_RESAMPLE_FWD_DESC,
        TAKEN,
        "Finalize BAD_PARAM",
        "nothing says what is to be computed",
        u ->
            u.create(BACKEND_OPERATION_RESAMPLE_FWD_DESCRIPTOR)
                .setDescriptors(ATTR_OPERATION_RESAMPLE_FWD_XDESC, u.y(1))
                .setDescriptors(ATTR_OPERATION_RESAMPLE_FWD_YDESC, u.y(2))
                .complete());
    add(
        "a pooling to a result with a row too many",
        "Finalize BAD_PARAM",
        u -> u.pooling(DataType.HALF, H / 2 + 1, false));
  }

  private void graphs() {
    add("a graph without operations", "Finalize BAD_PARAM", u -> u.graph());
    add(
        "a graph without its attribute",
        "Finalize BAD_PARAM",
        u -> u.create(BACKEND_OPERATIONGRAPH_DESCRIPTOR).complete());
    add(
        "a graph of an operation that is not finished",
        "SetAttribute BAD_PARAM",
        u -> u.graph(u.convolutionOperation(-1, null)));
    differs(
        "a graph of a tensor",
        CRASH,
        "SetAttribute BAD_PARAM",
        CRASHES,
        u -> u.graph(u.tensor(1, DataType.HALF, false, N, C, H, H)));
    add(
        "a graph finished twice",
        "Finalize BAD_PARAM",
        u -> u.graph(new Net().bias().relu()).complete());
    add(
        "operations after the graph was finished",
        "SetAttribute BAD_PARAM",
        u ->
            u.graph(new Net().bias().relu())
                .setDescriptors(
                    ATTR_OPERATIONGRAPH_OPS, u.convolutionOperation(-1, null).complete()));
    add("a convolution alone", PLANNED, u -> u.plan(new Net()));
    add("convolution, bias, rectifier", PLANNED, u -> u.plan(new Net().bias().relu()));
    add(
        "convolution, residual, bias, rectifier",
        PLANNED,
        u -> u.plan(new Net().residual().bias().relu()));
    add(
        "convolution, bias, residual, rectifier",
        PLANNED,
        u -> u.plan(new Net().bias().residual().relu()));
    for (DataType type : List.of(DataType.BFLOAT16, DataType.FLOAT)) {
      add(
          "convolution, residual, bias, rectifier in " + type,
          PLANNED,
          u -> u.plan(new Net(type).residual().bias().relu()));
    }
    add("a grouped convolution", PLANNED, u -> u.plan(new Net().groups(2)));
    differs(
        "the bias as the first operand",
        PLANNED,
        COMPLAINT,
        "the documents forbid it, and only some engines take it",
        u -> u.plan(new Net().bias().relu().broadcastFirst()));
    add(
        "a bias of FLOAT beside HALF",
        PLANNED,
        u -> u.plan(new Net().bias().relu().biasOf(DataType.FLOAT)));
    add(
        "a bias of HALF beside FLOAT",
        PLANNED,
        u -> u.plan(new Net(DataType.FLOAT).bias().relu().biasOf(DataType.HALF)));
    add(
        "a bias of HALF beside BFLOAT16",
        PLANNED,
        u -> u.plan(new Net(DataType.BFLOAT16).bias().relu().biasOf(DataType.HALF)));
    add("a filter of FLOAT beside HALF", NO_PLAN, u -> u.plan(new Net().filterOf(DataType.FLOAT)));
    add(
        "a result of FLOAT from HALF",
        PLANNED,
        u -> u.plan(new Net().bias().resultOf(DataType.FLOAT)));
    add(
        "values between of HALF",
        PLANNED,
        u -> u.plan(new Net().bias().relu().between(DataType.HALF)));
    add(
        "computing a convolution of BFLOAT16 in HALF",
        NO_PLAN,
        u -> u.plan(new Net(DataType.BFLOAT16).bias().relu().computing(DataType.HALF)));
    add(
        "computing a convolution of HALF in INT32",
        NO_PLAN,
        u -> u.plan(new Net().bias().relu().computing(DataType.INT32)));
    differs(
        "a virtual result",
        PLANNED,
        COMPLAINT,
        "the plan writes a tensor that has no memory",
        u -> u.plan(new Net().bias().relu().virtualResult()));
    add(
        "values between that are not virtual",
        PLANNED,
        u -> u.plan(new Net().bias().relu().realBetween()));
    differs(
        "a virtual filter",
        PLANNED,
        NO_PLAN,
        "the plan reads a tensor that has no memory",
        u -> u.plan(new Net().virtualFilter()));
    add(
        "two tensors of one name",
        "Finalize BAD_PARAM",
        u -> u.plan(new Net().bias().relu().sameName()));
    add("NCHW", PLANNED, u -> u.plan(new Net().channelsFirst()));
    add("pointers aligned to 2 bytes", PLANNED, u -> u.plan(new Net().bias().relu().alignment(2)));
    add("three channels", PLANNED, u -> u.plan(new Net().bias().relu().channels(3)));
    add("alpha of 2", PLANNED, u -> u.plan(new Net().alpha(2)));
    add("beta of 1", PLANNED, u -> u.plan(new Net().beta(1)));
    add("8-bit floats", PLANNED, u -> u.plan(new Net(DataType.FP8_E4M3)));
    add("doubles", PLANNED, u -> u.plan(new Net(DataType.DOUBLE).between(DataType.DOUBLE)));
    add(
        "two convolutions",
        NO_PLAN,
        u -> {
          Descriptor middle = u.tensor(20, DataType.HALF, true, N, C, H, H);
          Descriptor first =
              u.convolve(
                  u.tensor(1, DataType.HALF, false, N, C, H, H),
                  u.tensor(2, DataType.HALF, false, C, C, 3, 3),
                  middle);
          Descriptor second =
              u.convolve(
                  middle,
                  u.tensor(3, DataType.HALF, false, C, C, 3, 3),
                  u.tensor(4, DataType.HALF, false, N, C, H, H));
          u.plan(u.graph(first, second));
        });
    add(
        "two convolutions with a rectifier between",
        NO_PLAN,
        u -> {
          Descriptor sums = u.tensor(20, DataType.FLOAT, true, N, C, H, H);
          Descriptor middle = u.tensor(21, DataType.HALF, true, N, C, H, H);
          Descriptor first =
              u.convolve(
                  u.tensor(1, DataType.HALF, false, N, C, H, H),
                  u.tensor(2, DataType.HALF, false, C, C, 3, 3),
                  sums);
          Descriptor second =
              u.convolve(
                  middle,
                  u.tensor(3, DataType.HALF, false, C, C, 3, 3),
                  u.tensor(4, DataType.HALF, false, N, C, H, H));
          u.plan(u.graph(first, u.pointwise(PointwiseMode.RELU_FWD, sums, null, middle), second));
        });
    add(
        "the residual as the first operand",
        PLANNED,
        u -> {
          Descriptor sums = u.tensor(20, DataType.FLOAT, true, N, K, H, H);
          u.plan(
              u.graph(
                  u.convolutionOperation(ATTR_OPERATION_CONVOLUTION_FORWARD_Y, sums).complete(),
                  u.pointwise(PointwiseMode.ADD, u.y(4), sums, u.y(8))));
        });
    add(
        "a convolution added to itself",
        PLANNED,
        u -> {
          Descriptor sums = u.tensor(20, DataType.FLOAT, true, N, K, H, H);
          u.plan(
              u.graph(
                  u.convolutionOperation(ATTR_OPERATION_CONVOLUTION_FORWARD_Y, sums).complete(),
                  u.pointwise(PointwiseMode.ADD, sums, sums, u.y(8))));
        });
    differs(
        "a bias for another number of images",
        PLANNED,
        NO_PLAN,
        "no document says what becomes of the one too many",
        u -> {
          Descriptor sums = u.tensor(20, DataType.FLOAT, true, N, K, H, H);
          u.plan(
              u.graph(
                  u.convolutionOperation(ATTR_OPERATION_CONVOLUTION_FORWARD_Y, sums).complete(),
                  u.pointwise(
                      PointwiseMode.ADD,
                      sums,
                      u.tensor(3, DataType.HALF, false, N + 1, K, 1, 1),
                      u.y(8))));
        });
    differs(
        "a virtual image that nothing makes",
        PLANNED,
        NO_PLAN,
        "the plan reads a tensor that has no memory",
        u ->
            u.plan(
                u.graph(
                    u.convolutionOperation(
                            ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                            u.tensor(20, DataType.HALF, true, N, C, H, H))
                        .complete())));
    add(
        "two operations that write one tensor",
        "Finalize BAD_PARAM",
        u -> {
          Descriptor y = u.y(6);
          u.plan(
              u.graph(
                  u.convolutionOperation(ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y).complete(),
                  u.pointwise(PointwiseMode.RELU_FWD, u.y(7), null, y)));
        });
    add(
        "operations in a circle",
        "Finalize BAD_PARAM",
        u -> {
          Descriptor one = u.tensor(20, DataType.HALF, true, N, K, H, H);
          Descriptor other = u.tensor(21, DataType.HALF, true, N, K, H, H);
          u.plan(
              u.graph(
                  u.pointwise(PointwiseMode.RELU_FWD, one, null, other),
                  u.pointwise(PointwiseMode.RELU_FWD, other, null, one)));
        });
    differs(
        "a convolution and a pooling",
        PLANNED,
        NO_PLAN,
        "no mistake: the software device executes one convolution with pointwise operations",
        u -> {
          Descriptor image = u.tensor(1, DataType.HALF, true, N, C, H, H);
          u.plan(
              u.graph(
                  u.convolve(
                      u.tensor(30, DataType.HALF, false, N, C, H, H),
                      u.tensor(2, DataType.HALF, false, C, C, 3, 3),
                      image),
                  u.pooling(image, u.tensor(31, DataType.HALF, false, N, C, H / 2, H / 2), false)));
        });
    add(
        "one operation twice",
        "Finalize BAD_PARAM",
        u -> {
          Descriptor operation = u.convolutionOperation(-1, null).complete();
          u.plan(u.graph(operation, operation));
        });
    differs(
        "operations that share nothing",
        PLANNED,
        COMPLAINT,
        "the documents ask for a connected graph",
        u ->
            u.plan(
                u.graph(
                    u.convolutionOperation(-1, null).complete(),
                    u.pointwise(PointwiseMode.RELU_FWD, u.y(7), null, u.y(8)))));
    add(
        "operations in reverse order",
        PLANNED,
        u -> {
          Descriptor middle = u.tensor(20, DataType.FLOAT, true, N, K, H, H);
          Descriptor convolution =
              u.convolutionOperation(ATTR_OPERATION_CONVOLUTION_FORWARD_Y, middle).complete();
          u.plan(u.graph(u.pointwise(PointwiseMode.RELU_FWD, middle, null, u.y(8)), convolution));
        });
    for (DataType type : List.of(DataType.HALF, DataType.BFLOAT16, DataType.FLOAT)) {
      add(
          "a rectifier alone in " + type,
          PLANNED,
          u ->
              u.plan(
                  u.graph(
                      u.pointwise(
                          PointwiseMode.RELU_FWD,
                          u.tensor(1, type, false, N, K, H, H),
                          null,
                          u.tensor(2, type, false, N, K, H, H)))));
      add(
          "a maximum alone in " + type,
          PLANNED,
          u -> u.plan(u.graph(u.pooling(type, H / 2, false))));
      add(
          "an average alone in " + type,
          PLANNED,
          u -> u.plan(u.graph(u.pooling(type, H / 2, true))));
    }
  }

  private void plans() {
    add(
        "heuristics without a graph",
        "Finalize BAD_PARAM",
        u ->
            u.create(BACKEND_ENGINEHEUR_DESCRIPTOR)
                .setInts(ATTR_ENGINEHEUR_MODE, TYPE_HEUR_MODE, HeuristicMode.A.code())
                .setDescriptors(ATTR_ENGINEHEUR_DEVICEPROP, u.properties())
                .complete());
    differs(
        "heuristics without a mode",
        TAKEN,
        "Finalize BAD_PARAM",
        DEFAULTS,
        u ->
            u.create(BACKEND_ENGINEHEUR_DESCRIPTOR)
                .setDescriptors(ATTR_ENGINEHEUR_OPERATION_GRAPH, u.goodGraph())
                .setDescriptors(ATTR_ENGINEHEUR_DEVICEPROP, u.properties())
                .complete());
    differs(
        "heuristics without a device for a graph without a handle",
        TAKEN,
        "Finalize BAD_PARAM",
        NO_DEVICE,
        u ->
            u.create(BACKEND_ENGINEHEUR_DESCRIPTOR)
                .setDescriptors(ATTR_ENGINEHEUR_OPERATION_GRAPH, u.goodGraph())
                .setInts(ATTR_ENGINEHEUR_MODE, TYPE_HEUR_MODE, HeuristicMode.A.code())
                .complete());
    differs(
        "a heuristic mode that there is not",
        TAKEN,
        COMPLAINT,
        NO_SUCH_VALUE,
        u ->
            u.create(BACKEND_ENGINEHEUR_DESCRIPTOR)
                .setInts(ATTR_ENGINEHEUR_MODE, TYPE_HEUR_MODE, 9));
    add(
        "a heuristic mode with the tag of an integer",
        "SetAttribute BAD_PARAM",
        u ->
            u.create(BACKEND_ENGINEHEUR_DESCRIPTOR)
                .setInts(ATTR_ENGINEHEUR_MODE, TYPE_INT32, HeuristicMode.A.code()));
    add(
        "results of heuristics that are not finished",
        "GetAttribute NOT_INITIALIZED",
        u -> u.create(BACKEND_ENGINEHEUR_DESCRIPTOR).countDescriptors(ATTR_ENGINEHEUR_RESULTS));
    differs(
        "results of heuristics into descriptors of another kind",
        TAKEN,
        "GetAttribute BAD_PARAM",
        "cuDNN writes into memory that is something else",
        u ->
            u.heuristics(u.goodGraph())
                .getDescriptors(
                    u.cudnn, u.owner, ATTR_ENGINEHEUR_RESULTS, BACKEND_TENSOR_DESCRIPTOR, 1));
    add(
        "results of heuristics that are set",
        "SetAttribute BAD_PARAM",
        u ->
            u.create(BACKEND_ENGINEHEUR_DESCRIPTOR)
                .setDescriptors(ATTR_ENGINEHEUR_RESULTS, u.candidate()));
    add(
        "an engine without a graph",
        "Finalize BAD_PARAM",
        u ->
            u.create(BACKEND_ENGINE_DESCRIPTOR)
                .setLongs(ATTR_ENGINE_GLOBAL_INDEX, 0)
                .setDescriptors(ATTR_ENGINE_DEVICEPROP, u.properties())
                .complete());
    add(
        "an engine without an index",
        "Finalize NOT_SUPPORTED",
        u ->
            u.create(BACKEND_ENGINE_DESCRIPTOR)
                .setDescriptors(ATTR_ENGINE_OPERATION_GRAPH, u.goodGraph())
                .setDescriptors(ATTR_ENGINE_DEVICEPROP, u.properties())
                .complete());
    add(
        "an engine of a negative index",
        "Finalize NOT_SUPPORTED",
        u ->
            u.create(BACKEND_ENGINE_DESCRIPTOR)
                .setDescriptors(ATTR_ENGINE_OPERATION_GRAPH, u.goodGraph())
                .setDescriptors(ATTR_ENGINE_DEVICEPROP, u.properties())
                .setLongs(ATTR_ENGINE_GLOBAL_INDEX, -1)
                .complete());
    add(
        "an engine of an index that there is not",
        "Finalize NOT_SUPPORTED",
        u ->
            u.create(BACKEND_ENGINE_DESCRIPTOR)
                .setDescriptors(ATTR_ENGINE_OPERATION_GRAPH, u.goodGraph())
                .setDescriptors(ATTR_ENGINE_DEVICEPROP, u.properties())
                .setLongs(ATTR_ENGINE_GLOBAL_INDEX, 100_000)
                .complete());
    differs(
        "an engine without a device for a graph without a handle",
        TAKEN,
        "Finalize BAD_PARAM",
        NO_DEVICE,
        u ->
            u.create(BACKEND_ENGINE_DESCRIPTOR)
                .setDescriptors(ATTR_ENGINE_OPERATION_GRAPH, u.goodGraph())
                .setLongs(ATTR_ENGINE_GLOBAL_INDEX, 0)
                .complete());
    add(
        "heuristics finished twice",
        "Finalize BAD_PARAM",
        u -> u.heuristics(u.goodGraph()).complete());
    add("a plan finished twice", "Finalize BAD_PARAM", u -> u.goodPlan().complete());
    add(
        "the text of a plan that is not finished",
        "GetAttribute NOT_INITIALIZED",
        u ->
            u.create(BACKEND_EXECUTION_PLAN_DESCRIPTOR)
                .setDescriptors(ATTR_EXECUTION_PLAN_ENGINE_CONFIG, u.candidate())
                .getText(ATTR_EXECUTION_PLAN_JSON_REPRESENTATION));
    add(
        "the notes of an engine that is not finished",
        "GetAttribute NOT_INITIALIZED",
        u ->
            u.create(BACKEND_ENGINE_DESCRIPTOR)
                .getInts(ATTR_ENGINE_NUMERICAL_NOTE, TYPE_NUMERICAL_NOTE));
    differs(
        "a plan of a graph instead of a configuration",
        CRASH,
        "SetAttribute BAD_PARAM",
        CRASHES,
        u ->
            u.create(BACKEND_EXECUTION_PLAN_DESCRIPTOR)
                .setDescriptors(ATTR_EXECUTION_PLAN_ENGINE_CONFIG, u.goodGraph()));
    differs(
        "a configuration without an engine",
        CRASH,
        "Finalize BAD_PARAM",
        CRASHES,
        u -> u.create(BACKEND_ENGINECFG_DESCRIPTOR).complete());
    differs(
        "a knob without a value",
        TAKEN,
        "Finalize BAD_PARAM",
        DEFAULTS,
        u ->
            u.create(BACKEND_KNOB_CHOICE_DESCRIPTOR)
                .setInts(ATTR_KNOB_CHOICE_KNOB_TYPE, TYPE_KNOB_TYPE, 2)
                .complete());
    add(
        "a knob's value with the tag of a small integer",
        "SetAttribute BAD_PARAM",
        u ->
            u.create(BACKEND_KNOB_CHOICE_DESCRIPTOR)
                .setInts(ATTR_KNOB_CHOICE_KNOB_VALUE, TYPE_INT32, 2));
    add(
        "a plan without a configuration",
        "Finalize BAD_PARAM",
        u -> u.create(BACKEND_EXECUTION_PLAN_DESCRIPTOR).complete());
    differs(
        "a plan of a configuration that is not finished",
        TAKEN,
        COMPLAINT,
        "cuDNN finds it when the plan is finished",
        u ->
            u.create(BACKEND_EXECUTION_PLAN_DESCRIPTOR)
                .setDescriptors(
                    ATTR_EXECUTION_PLAN_ENGINE_CONFIG, u.create(BACKEND_ENGINECFG_DESCRIPTOR)));
    add(
        "the workspace of a plan that is not finished",
        "GetAttribute NOT_INITIALIZED",
        u ->
            u.create(BACKEND_EXECUTION_PLAN_DESCRIPTOR)
                .setDescriptors(ATTR_EXECUTION_PLAN_ENGINE_CONFIG, u.candidate())
                .getLong(ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
    add(
        "the workspace with another tag",
        "GetAttribute BAD_PARAM",
        u -> u.goodPlan().getInt(ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, TYPE_INT32));
    add(
        "a workspace that is set",
        "SetAttribute NOT_SUPPORTED",
        u ->
            u.create(BACKEND_EXECUTION_PLAN_DESCRIPTOR)
                .setLongs(ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, 1));
    add(
        "a plan restored",
        TAKEN,
        u ->
            u.create(BACKEND_EXECUTION_PLAN_DESCRIPTOR)
                .setText(
                    ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                    u.goodPlan().getText(ATTR_EXECUTION_PLAN_JSON_REPRESENTATION))
                .setDescriptors(ATTR_EXECUTION_PLAN_DEVICEPROP, u.properties())
                .complete());
    differs(
        "a plan restored without a device",
        CRASH,
        "Finalize BAD_PARAM",
        CRASHES,
        u ->
            u.create(BACKEND_EXECUTION_PLAN_DESCRIPTOR)
                .setText(
                    ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                    u.goodPlan().getText(ATTR_EXECUTION_PLAN_JSON_REPRESENTATION))
                .complete());
    add(
        "a plan restored from no JSON",
        "Finalize BAD_PARAM",
        u ->
            u.create(BACKEND_EXECUTION_PLAN_DESCRIPTOR)
                .setText(ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, "a plan")
                .setDescriptors(ATTR_EXECUTION_PLAN_DEVICEPROP, u.properties())
                .complete());
    for (String key :
        List.of(
            "driverVer",
            "deviceVer",
            "multiProcessorCount",
            "maxSharedMemoryPerBlockOptin",
            "maxRegistersPerSM",
            "maxThreadsPerSM")) {
      add("a plan restored for another " + key, "Finalize NOT_SUPPORTED", u -> u.restoreFor(key));
    }
    for (String key :
        List.of(
            "smClockRateKHz", "memClockRateKHz", "totalGlobalMem", "l2CacheSize", "pciDeviceId")) {
      add("a plan restored for another " + key, TAKEN, u -> u.restoreFor(key));
    }
  }

  private void packs() {
    add("a variant pack", TAKEN, u -> u.pack(new long[] {1, 2}, new long[] {256, 512}, true));
    add(
        "a variant pack without a workspace",
        TAKEN,
        u -> u.pack(new long[] {1, 2}, new long[] {256, 512}, false));
    add(
        "a variant pack with fewer names than pointers",
        "Finalize BAD_PARAM",
        u -> u.pack(new long[] {1}, new long[] {256, 512}, true));
    differs(
        "a variant pack with one name twice",
        TAKEN,
        COMPLAINT,
        "which of the two pointers is meant, no document says",
        u -> u.pack(new long[] {1, 1}, new long[] {256, 512}, true));
    add(
        "a variant pack without names",
        "Finalize BAD_PARAM",
        u ->
            u.create(BACKEND_VARIANT_PACK_DESCRIPTOR)
                .setAddresses(ATTR_VARIANT_PACK_DATA_POINTERS, 256)
                .complete());
    add(
        "a variant pack without pointers",
        "Finalize BAD_PARAM",
        u ->
            u.create(BACKEND_VARIANT_PACK_DESCRIPTOR)
                .setLongs(ATTR_VARIANT_PACK_UNIQUE_IDS, 1)
                .complete());
    add(
        "a variant pack of a null pointer",
        TAKEN,
        u -> u.pack(new long[] {1, 2}, new long[] {256, 0}, true));
    add(
        "a variant pack finished twice",
        "Finalize BAD_PARAM",
        u -> u.pack(new long[] {1}, new long[] {256}, true).complete());
    add(
        "pointers with the tag of integers",
        "SetAttribute NOT_SUPPORTED",
        u ->
            u.create(BACKEND_VARIANT_PACK_DESCRIPTOR)
                .setLongs(ATTR_VARIANT_PACK_DATA_POINTERS, 256));
    add(
        "two workspaces",
        "SetAttribute BAD_PARAM",
        u ->
            u.create(BACKEND_VARIANT_PACK_DESCRIPTOR)
                .setAddresses(ATTR_VARIANT_PACK_WORKSPACE, 256, 512));
  }

  /** A convolution with what follows it, and what is done to it that should not be. */
  static final class Net {
    private final DataType type;
    private final List<String> steps = new ArrayList<>();
    private DataType bias;
    private DataType filter;
    private DataType result;
    private DataType between = DataType.FLOAT;
    private DataType compute = DataType.FLOAT;
    private boolean broadcastFirst;
    private boolean virtualResult;
    private boolean virtualFilter;
    private boolean realBetween;
    private boolean sameName;
    private boolean channelsFirst;
    private int channels = C;
    private int groups = 1;
    private long alignment = 16;
    private float alpha = 1;
    private float beta;

    Net() {
      this(DataType.HALF);
    }

    Net(DataType type) {
      this.type = type;
      bias = type;
      filter = type;
      result = type;
      if (type == DataType.DOUBLE) {
        compute = DataType.DOUBLE;
      }
    }

    Net bias() {
      steps.add("bias");
      return this;
    }

    Net residual() {
      steps.add("residual");
      return this;
    }

    Net relu() {
      steps.add("relu");
      return this;
    }

    Net biasOf(DataType value) {
      bias = value;
      return this;
    }

    Net filterOf(DataType value) {
      filter = value;
      return this;
    }

    Net resultOf(DataType value) {
      result = value;
      return this;
    }

    Net between(DataType value) {
      between = value;
      return this;
    }

    Net computing(DataType value) {
      compute = value;
      return this;
    }

    Net broadcastFirst() {
      broadcastFirst = true;
      return this;
    }

    Net virtualResult() {
      virtualResult = true;
      return this;
    }

    Net virtualFilter() {
      virtualFilter = true;
      return this;
    }

    Net realBetween() {
      realBetween = true;
      return this;
    }

    Net sameName() {
      sameName = true;
      return this;
    }

    Net channelsFirst() {
      channelsFirst = true;
      return this;
    }

    Net channels(int value) {
      channels = value;
      return this;
    }

    Net groups(int value) {
      groups = value;
      return this;
    }

    Net alignment(long value) {
      alignment = value;
      return this;
    }

    Net alpha(float value) {
      alpha = value;
      return this;
    }

    Net beta(float value) {
      beta = value;
      return this;
    }
  }

  /** The library under test and what was made in it so far. */
  static final class Use {
    private final Cudnn cudnn;
    private final Closer owner;
    private final String device;
    private String outcome = TAKEN;

    Use(Cudnn cudnn, Closer owner, String device) {
      this.cudnn = cudnn;
      this.owner = owner;
      this.device = device;
    }

    Descriptor create(int type) {
      return Descriptor.create(cudnn, owner, type);
    }

    String description() {
      return KnownDevices.json(device);
    }

    Descriptor properties() {
      return DeviceProperties.fromJson(cudnn, owner, description()).descriptor();
    }

    /** A tensor that is not finished, without one of its attributes. */
    Descriptor tensorAttributes(int missing) {
      Descriptor tensor = create(BACKEND_TENSOR_DESCRIPTOR);
      if (missing != ATTR_TENSOR_DATA_TYPE) {
        tensor.setType(ATTR_TENSOR_DATA_TYPE, DataType.HALF);
      }
      if (missing != ATTR_TENSOR_DIMENSIONS) {
        tensor.setLongs(ATTR_TENSOR_DIMENSIONS, N, C, H, H);
      }
      if (missing != ATTR_TENSOR_STRIDES) {
        tensor.setLongs(ATTR_TENSOR_STRIDES, Tensor.channelsLast(N, C, H, H));
      }
      if (missing != ATTR_TENSOR_UNIQUE_ID) {
        tensor.setLongs(ATTR_TENSOR_UNIQUE_ID, 1);
      }
      if (missing != ATTR_TENSOR_BYTE_ALIGNMENT) {
        tensor.setLongs(ATTR_TENSOR_BYTE_ALIGNMENT, 16);
      }
      if (missing != ATTR_TENSOR_IS_VIRTUAL) {
        tensor.setBoolean(ATTR_TENSOR_IS_VIRTUAL, false);
      }
      return tensor;
    }

    void alignedTo(long alignment) {
      tensorAttributes(ATTR_TENSOR_BYTE_ALIGNMENT)
          .setLongs(ATTR_TENSOR_BYTE_ALIGNMENT, alignment)
          .complete();
    }

    Descriptor tensor(long uid, DataType type, boolean virtual, long... shape) {
      return Tensor.of(cudnn, owner, uid, type, shape, Tensor.channelsLast(shape), 16, virtual)
          .descriptor();
    }

    Descriptor ofThreeDimensions() {
      return Tensor.of(
              cudnn,
              owner,
              1,
              DataType.HALF,
              new long[] {N, C, H},
              new long[] {C * H, 1, C},
              16,
              false)
          .descriptor();
    }

    /** A tensor of the convolution's result. */
    Descriptor y(long uid) {
      return tensor(uid, DataType.HALF, false, N, K, H, H);
    }

    Descriptor convolutionAttributes(int missing) {
      Descriptor convolution = create(BACKEND_CONVOLUTION_DESCRIPTOR);
      if (missing != ATTR_CONVOLUTION_COMP_TYPE) {
        convolution.setType(ATTR_CONVOLUTION_COMP_TYPE, DataType.FLOAT);
      }
      if (missing != ATTR_CONVOLUTION_CONV_MODE) {
        convolution.setInts(ATTR_CONVOLUTION_CONV_MODE, TYPE_CONVOLUTION_MODE, CROSS_CORRELATION);
      }
      if (missing != ATTR_CONVOLUTION_SPATIAL_DIMS) {
        convolution.setLongs(ATTR_CONVOLUTION_SPATIAL_DIMS, 2);
      }
      for (int attribute :
          new int[] {
            ATTR_CONVOLUTION_PRE_PADDINGS,
            ATTR_CONVOLUTION_POST_PADDINGS,
            ATTR_CONVOLUTION_FILTER_STRIDES,
            ATTR_CONVOLUTION_DILATIONS
          }) {
        if (missing != attribute) {
          convolution.setLongs(attribute, 1, 1);
        }
      }
      return convolution;
    }

    Descriptor resampleAttributes(int missing) {
      return resample(missing, false);
    }

    private Descriptor resample(int missing, boolean average) {
      Descriptor resample = create(BACKEND_RESAMPLE_DESCRIPTOR);
      if (missing != ATTR_RESAMPLE_MODE) {
        ResampleMode mode = average ? ResampleMode.AVGPOOL_INCLUDE_PADDING : ResampleMode.MAXPOOL;
        resample.setInts(ATTR_RESAMPLE_MODE, TYPE_RESAMPLE_MODE, mode.code());
      }
      if (missing != ATTR_RESAMPLE_COMP_TYPE) {
        resample.setType(ATTR_RESAMPLE_COMP_TYPE, DataType.FLOAT);
      }
      if (missing != ATTR_RESAMPLE_NAN_PROPAGATION) {
        resample.setInts(ATTR_RESAMPLE_NAN_PROPAGATION, TYPE_NAN_PROPOGATION, PROPAGATE_NAN);
      }
      if (missing != ATTR_RESAMPLE_PADDING_MODE) {
        PaddingMode mode = average ? PaddingMode.ZERO_PAD : PaddingMode.NEG_INF_PAD;
        resample.setInts(ATTR_RESAMPLE_PADDING_MODE, TYPE_PADDING_MODE, mode.code());
      }
      if (missing != ATTR_RESAMPLE_SPATIAL_DIMS) {
        resample.setLongs(ATTR_RESAMPLE_SPATIAL_DIMS, 2);
      }
      if (missing != ATTR_RESAMPLE_WINDOW_DIMS) {
        resample.setLongs(ATTR_RESAMPLE_WINDOW_DIMS, 2, 2);
      }
      if (missing != ATTR_RESAMPLE_PRE_PADDINGS) {
        resample.setLongs(ATTR_RESAMPLE_PRE_PADDINGS, 0, 0);
      }
      if (missing != ATTR_RESAMPLE_POST_PADDINGS) {
        resample.setLongs(ATTR_RESAMPLE_POST_PADDINGS, 0, 0);
      }
      if (missing != ATTR_RESAMPLE_STRIDES) {
        resample.setLongs(ATTR_RESAMPLE_STRIDES, 2, 2);
      }
      return resample;
    }

    /** A convolution's operation that is not finished, without an attribute or with another one. */
    Descriptor convolutionOperation(int attribute, @Nullable Descriptor instead) {
      Descriptor operation = create(BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
      if (instead != null) {
        operation.setDescriptors(attribute, instead);
      }
      if (attribute != ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC) {
        operation.setDescriptors(
            ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, convolutionAttributes(-1).complete());
      }
      if (attribute != ATTR_OPERATION_CONVOLUTION_FORWARD_X) {
        operation.setDescriptors(
            ATTR_OPERATION_CONVOLUTION_FORWARD_X, tensor(1, DataType.HALF, false, N, C, H, H));
      }
      if (attribute != ATTR_OPERATION_CONVOLUTION_FORWARD_W) {
        operation.setDescriptors(
            ATTR_OPERATION_CONVOLUTION_FORWARD_W, tensor(2, DataType.HALF, false, K, C, 3, 3));
      }
      if (attribute != ATTR_OPERATION_CONVOLUTION_FORWARD_Y) {
        operation.setDescriptors(ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y(6));
      }
      if (attribute != ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA) {
        operation.setFloat(ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1);
      }
      if (attribute != ATTR_OPERATION_CONVOLUTION_FORWARD_BETA) {
        operation.setFloat(ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0);
      }
      return operation;
    }

    Descriptor convolve(Descriptor x, Descriptor w, Descriptor y) {
      return create(BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
          .setDescriptors(
              ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, convolutionAttributes(-1).complete())
          .setDescriptors(ATTR_OPERATION_CONVOLUTION_FORWARD_X, x)
          .setDescriptors(ATTR_OPERATION_CONVOLUTION_FORWARD_W, w)
          .setDescriptors(ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y)
          .setFloat(ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1)
          .setFloat(ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0)
          .complete();
    }

    Descriptor pointwise(PointwiseMode mode, Descriptor x, @Nullable Descriptor b, Descriptor y) {
      Descriptor operation =
          create(BACKEND_OPERATION_POINTWISE_DESCRIPTOR)
              .setDescriptors(
                  ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR,
                  Pointwise.of(cudnn, owner, mode, DataType.FLOAT).descriptor())
              .setDescriptors(ATTR_OPERATION_POINTWISE_XDESC, x);
      if (b != null) {
        operation.setDescriptors(ATTR_OPERATION_POINTWISE_BDESC, b);
      }
      return operation.setDescriptors(ATTR_OPERATION_POINTWISE_YDESC, y).complete();
    }

    Descriptor pooling(DataType type, int rows, boolean average) {
      return pooling(
          tensor(1, type, false, N, C, H, H), tensor(2, type, false, N, C, rows, H / 2), average);
    }

    Descriptor pooling(Descriptor x, Descriptor y, boolean average) {
      return create(BACKEND_OPERATION_RESAMPLE_FWD_DESCRIPTOR)
          .setDescriptors(ATTR_OPERATION_RESAMPLE_FWD_XDESC, x)
          .setDescriptors(ATTR_OPERATION_RESAMPLE_FWD_YDESC, y)
          .setDescriptors(ATTR_OPERATION_RESAMPLE_FWD_DESC, resample(-1, average).complete())
          .complete();
    }

    Descriptor graph(Descriptor... operations) {
      return create(BACKEND_OPERATIONGRAPH_DESCRIPTOR)
          .setDescriptors(ATTR_OPERATIONGRAPH_OPS, operations)
          .complete();
    }

    Descriptor goodGraph() {
      return graph(new Net().residual().bias().relu());
    }

    Descriptor heuristics(Descriptor graph) {
      return heuristics(graph, HeuristicMode.A);
    }

    private Descriptor heuristics(Descriptor graph, HeuristicMode mode) {
      return create(BACKEND_ENGINEHEUR_DESCRIPTOR)
          .setDescriptors(ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
          .setInts(ATTR_ENGINEHEUR_MODE, TYPE_HEUR_MODE, mode.code())
          .setDescriptors(ATTR_ENGINEHEUR_DEVICEPROP, properties())
          .complete();
    }

    private List<Descriptor> candidates(Descriptor graph, HeuristicMode mode) {
      Descriptor heuristics = heuristics(graph, mode);
      return heuristics.getDescriptors(
          cudnn,
          owner,
          ATTR_ENGINEHEUR_RESULTS,
          BACKEND_ENGINECFG_DESCRIPTOR,
          heuristics.countDescriptors(ATTR_ENGINEHEUR_RESULTS));
    }

    Descriptor candidate() {
      return candidates(goodGraph(), HeuristicMode.A).getFirst();
    }

    Descriptor goodPlan() {
      Descriptor plan = plan(goodGraph());
      outcome = TAKEN;
      if (plan == null) {
        throw new AssertionError("no plan for a good graph");
      }
      return plan;
    }

    void plan(Net net) {
      plan(graph(net));
    }

    /** The first plan that an engine makes; null if none does. */
    @Nullable Descriptor plan(Descriptor graph) {
      outcome = NO_PLAN;
      for (HeuristicMode mode : List.of(HeuristicMode.A, HeuristicMode.FALLBACK)) {
        List<Descriptor> candidates;
        try {
          candidates = candidates(graph, mode);
        } catch (CudnnException e) {
          continue;
        }
        for (Descriptor candidate : candidates) {
          try {
            Descriptor plan =
                create(BACKEND_EXECUTION_PLAN_DESCRIPTOR)
                    .setDescriptors(ATTR_EXECUTION_PLAN_ENGINE_CONFIG, candidate)
                    .complete();
            outcome = PLANNED;
            return plan;
          } catch (CudnnException e) {
            // The next one may.
          }
        }
      }
      return null;
    }

    Descriptor graph(Net net) {
      long[] yShape = {N, K, H, H};
      Descriptor x = tensor(net, 1, net.type, false, N, net.channels, H, H);
      Descriptor w =
          tensor(net, 2, net.filter, net.virtualFilter, K, net.channels / net.groups, 3, 3);
      Descriptor y = tensor(net, net.sameName ? 1 : 6, net.result, net.virtualResult, yShape);
      Descriptor convolution =
          create(BACKEND_CONVOLUTION_DESCRIPTOR)
              .setType(ATTR_CONVOLUTION_COMP_TYPE, net.compute)
              .setInts(ATTR_CONVOLUTION_CONV_MODE, TYPE_CONVOLUTION_MODE, CROSS_CORRELATION)
              .setLongs(ATTR_CONVOLUTION_SPATIAL_DIMS, 2)
              .setLongs(ATTR_CONVOLUTION_PRE_PADDINGS, 1, 1)
              .setLongs(ATTR_CONVOLUTION_POST_PADDINGS, 1, 1)
              .setLongs(ATTR_CONVOLUTION_FILTER_STRIDES, 1, 1)
              .setLongs(ATTR_CONVOLUTION_DILATIONS, 1, 1)
              .complete();
      long uid = 20;
      Descriptor current =
          net.steps.isEmpty() ? y : tensor(net, uid++, net.between, !net.realBetween, yShape);
      Descriptor operation =
          create(BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
              .setDescriptors(ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, convolution)
              .setDescriptors(ATTR_OPERATION_CONVOLUTION_FORWARD_X, x)
              .setDescriptors(ATTR_OPERATION_CONVOLUTION_FORWARD_W, w)
              .setDescriptors(ATTR_OPERATION_CONVOLUTION_FORWARD_Y, current);
      if (net.type == DataType.DOUBLE) {
        operation
            .setDouble(ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, net.alpha)
            .setDouble(ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, net.beta);
      } else {
        operation
            .setFloat(ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, net.alpha)
            .setFloat(ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, net.beta);
      }
      List<Descriptor> operations = new ArrayList<>(List.of(operation.complete()));
      for (int i = 0; i < net.steps.size(); i++) {
        Descriptor next =
            i == net.steps.size() - 1
                ? y
                : tensor(net, uid++, net.between, !net.realBetween, yShape);
        operations.add(
            switch (net.steps.get(i)) {
              case "bias" -> {
                Descriptor bias = tensor(net, 3, net.bias, false, 1, K, 1, 1);
                yield net.broadcastFirst
                    ? pointwise(PointwiseMode.ADD, bias, current, next)
                    : pointwise(PointwiseMode.ADD, current, bias, next);
              }
              case "residual" ->
                  pointwise(
                      PointwiseMode.ADD, current, tensor(net, 4, net.type, false, yShape), next);
              default -> pointwise(PointwiseMode.RELU_FWD, current, null, next);
            });
        current = next;
      }
      return graph(operations.toArray(new Descriptor[0]));
    }

    private Descriptor tensor(Net net, long uid, DataType type, boolean virtual, long... shape) {
      long[] strides =
          net.channelsFirst
              ? new long[] {shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1}
              : Tensor.channelsLast(shape);
      long alignment = virtual ? 16 : net.alignment;
      return Tensor.of(cudnn, owner, uid, type, shape, strides, alignment, virtual).descriptor();
    }

    void restoreFor(String key) {
      String json = goodPlan().getText(ATTR_EXECUTION_PLAN_JSON_REPRESENTATION);
      // One more of whatever it is.
      String other =
          Pattern.compile("(\"" + key + "\": )(\\d+)")
              .matcher(description())
              .replaceFirst(found -> found.group(1) + (Long.parseLong(found.group(2)) + 1));
      create(BACKEND_EXECUTION_PLAN_DESCRIPTOR)
          .setText(ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, json)
          .setDescriptors(
              ATTR_EXECUTION_PLAN_DEVICEPROP,
              DeviceProperties.fromJson(cudnn, owner, other).descriptor())
          .complete();
    }

    Descriptor pack(long[] uids, long[] pointers, boolean workspace) {
      Descriptor pack =
          create(BACKEND_VARIANT_PACK_DESCRIPTOR)
              .setLongs(ATTR_VARIANT_PACK_UNIQUE_IDS, uids)
              .setAddresses(ATTR_VARIANT_PACK_DATA_POINTERS, pointers);
      if (workspace) {
        pack.setAddresses(ATTR_VARIANT_PACK_WORKSPACE, 1024);
      }
      return pack.complete();
    }
  }
}
