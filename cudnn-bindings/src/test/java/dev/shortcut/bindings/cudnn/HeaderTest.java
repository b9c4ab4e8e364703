package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.testing.CHeaders;
import dev.shortcut.testing.VendorLibraries;
import java.lang.reflect.Field;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Our numbers and prototypes against NVIDIA's cudnn.h, by a C++ compiler. */
@Tag("native")
@Tag("vendor")
class HeaderTest {
  @TempDir Path scratch;

  @Test
  void everyConstantIsTheHeaders() throws Exception {
    SequencedMap<String, Long> ours = new LinkedHashMap<>();
    for (Field field : CudnnConstants.class.getDeclaredFields()) {
      ours.put("CUDNN_" + field.getName(), (long) field.getInt(null));
    }
    assertTrue(ours.size() > 90, () -> "only " + ours.keySet());
    for (CudnnStatus status : CudnnStatus.values()) {
      if (status != CudnnStatus.UNKNOWN) {
        ours.put("CUDNN_STATUS_" + status, (long) status.code());
      }
    }
    for (DataType type : DataType.values()) {
      ours.put("CUDNN_DATA_" + type, (long) type.code());
    }
    for (PointwiseMode mode : PointwiseMode.values()) {
      ours.put("CUDNN_POINTWISE_" + mode, (long) mode.code());
    }
    for (ResampleMode mode : ResampleMode.values()) {
      ours.put("CUDNN_RESAMPLE_" + mode, (long) mode.code());
    }
    for (PaddingMode mode : PaddingMode.values()) {
      ours.put("CUDNN_" + mode, (long) mode.code());
    }
    for (HeuristicMode mode : HeuristicMode.values()) {
      ours.put("CUDNN_HEUR_MODE_" + mode, (long) mode.code());
    }
    names(ours, "CUDNN_NUMERICAL_NOTE_", "TYPE_COUNT", NumericalNote.NAMES);
    names(ours, "CUDNN_BEHAVIOR_NOTE_", "TYPE_COUNT", BehaviorNote.NAMES);
    names(ours, "CUDNN_KNOB_TYPE_", "COUNTS", KnobType.NAMES);
    ours.put("CUDNN_NUMERICAL_NOTE_TENSOR_CORE", (long) NumericalNote.TENSOR_CORE.code());
    ours.put(
        "CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS",
        (long) NumericalNote.DOWN_CONVERT_INPUTS.code());
    ours.put(
        "CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION",
        (long) NumericalNote.REDUCED_PRECISION_REDUCTION.code());
    ours.put("CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC", (long) NumericalNote.NONDETERMINISTIC.code());
    ours.put("CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP", (long) NumericalNote.STRICT_NAN_PROP.code());
    ours.put(
        "CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION", (long) BehaviorNote.RUNTIME_COMPILATION.code());
    ours.put(
        "CUDNN_BEHAVIOR_NOTE_CUBLASLT_DEPENDENCY", (long) BehaviorNote.CUBLASLT_DEPENDENCY.code());
    ours.put("sizeof(cudnnBackendAttributeName_t)", 4L);
    ours.put("sizeof(cudnnBackendDescriptor_t)", 8L);
    ours.put("sizeof(bool)", 1L);
    assertEquals(ours, headers().values(ours.sequencedKeySet()));
  }

  @Test
  void everyPrototypeIsTheHeaders() throws Exception {
    NativeLibrary library = VendorCudnn.load("libcudnn.so.9", "cudnnGetVersion");
    new LegacyFunctions(new CudnnFunctions(library));
    var ours = new TreeMap<>(CHeaders.prototypes(library));
    assertTrue(ours.size() > 28, () -> "only " + ours.keySet());
    // The stream, which we pass as its address.
    assertEquals("ipl", ours.put("cudnnSetStream", "ipp"));
    // Device addresses, likewise.
    assertEquals(
        "ippplplpillpplplppl",
        ours.put("cudnnConvolutionBiasActivationForward", "ipppppppiplpppppppp"));
    assertEquals(ours, headers().prototypes(ours.sequencedKeySet()));
  }

  private static void names(
      SequencedMap<String, Long> ours, String prefix, String count, List<String> names) {
    for (int i = 0; i < names.size(); i++) {
      // The header writes sizes with a small x, as in TILE_4x4.
      ours.put(prefix + names.get(i).replaceAll("(\\d)X(\\d)", "$1x$2"), (long) i);
    }
    ours.put(prefix + count, (long) names.size());
  }

  private CHeaders headers() {
    return new CHeaders(scratch, VendorLibraries.headers("cudnn.h"), List.of("cudnn.h"));
  }
}
