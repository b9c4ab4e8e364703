package dev.shortcut.bindings.cublas;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.testing.CHeaders;
import dev.shortcut.testing.VendorLibraries;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Our numbers and prototypes against NVIDIA's cublasLt.h, by a C++ compiler. */
@Tag("native")
@Tag("vendor")
class HeaderTest {
  @TempDir Path scratch;

  @Test
  void everyConstantIsTheHeaders() throws Exception {
    SequencedMap<String, Long> ours = new LinkedHashMap<>();
    for (Field field : CublasConstants.class.getDeclaredFields()) {
      String prefix = field.getName().startsWith("OP_") ? "CUBLAS_" : "CUBLASLT_";
      ours.put(prefix + field.getName(), (long) field.getInt(null));
    }
    for (Field field : NumericalImplementation.class.getDeclaredFields()) {
      if (field.getName().startsWith("NUMERICAL")) {
        ours.put("CUBLASLT_" + field.getName(), field.getLong(null));
      }
    }
    assertTrue(ours.size() > 25, () -> "only " + ours.keySet());
    for (CublasStatus status : CublasStatus.values()) {
      if (status != CublasStatus.UNKNOWN) {
        ours.put("CUBLAS_STATUS_" + status, (long) status.code());
      }
    }
    ours.put("CUDA_R_32F", (long) MatrixType.FLOAT.code());
    ours.put("CUDA_R_16F", (long) MatrixType.HALF.code());
    ours.put("CUDA_R_16BF", (long) MatrixType.BFLOAT16.code());
    ours.put("CUBLAS_COMPUTE_32F", (long) ComputeType.FLOAT.code());
    ours.put("CUBLAS_COMPUTE_32F_FAST_TF32", (long) ComputeType.TF32.code());
    ours.put("sizeof(cublasLtMatmulAlgo_t)", CublasLtFunctions.ALGO_BYTES);
    ours.put("sizeof(cublasLtMatmulHeuristicResult_t)", CublasLtFunctions.RESULT_BYTES);
    ours.put("offsetof(cublasLtMatmulHeuristicResult_t, algo)", 0L);
    ours.put(
        "offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize)",
        CublasLtFunctions.RESULT_WORKSPACE);
    ours.put("offsetof(cublasLtMatmulHeuristicResult_t, state)", CublasLtFunctions.RESULT_STATE);
    assertEquals(ours, headers().values(ours.sequencedKeySet()));
  }

  @Test
  void everyPrototypeIsTheHeaders() throws Exception {
    NativeLibrary library =
        NativeLibrary.find("cuBLASLt", "cublasLtGetVersion")
            .file("fetched", VendorLibraries.library("libcublasLt.so.12"))
            .load();
    CublasLt cublas = CublasLt.of(library);
    assertEquals(12, cublas.version() / 10_000);
    assertEquals(12, cublas.cudartVersion() / 1000);
    assertTrue(cublas.toString().startsWith("cuBLASLt 12."), cublas.toString());
    var ours = new TreeMap<>(CHeaders.prototypes(library));
    assertTrue(ours.size() > 15, () -> "only " + ours.keySet());
    // Device addresses and the stream, which we pass as numbers.
    assertEquals("ippplplpplplpplll", ours.put("cublasLtMatmul", "ipppppppppppppplp"));
    assertEquals(ours, headers().prototypes(ours.sequencedKeySet()));
  }

  /**
   * cublasLt.h includes cuda_fp16.h and cuda_bf16.h, which want a header of yet another package; of
   * their types only the names are needed.
   */
  private CHeaders headers() throws IOException {
    String instead =
        """
        #define __CUDA_FP16_H__
        #define __CUDA_BF16_H__
        struct __half;
        struct __nv_bfloat16;
        """;
    Files.writeString(scratch.resolve("halves.h"), instead);
    List<Path> folders = new ArrayList<>(VendorLibraries.headers("cublasLt.h"));
    folders.addFirst(scratch);
    return new CHeaders(scratch, folders, List.of("halves.h", "cublasLt.h"));
  }
}
