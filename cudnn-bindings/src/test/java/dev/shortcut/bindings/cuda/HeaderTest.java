package dev.shortcut.bindings.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.testing.CHeaders;
import dev.shortcut.testing.VendorLibraries;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Our numbers and prototypes against NVIDIA's cuda.h, by a C++ compiler. */
@Tag("native")
@Tag("vendor")
class HeaderTest {
  @TempDir Path scratch;

  @Test
  void everyConstantIsTheHeaders() throws Exception {
    SequencedMap<String, Long> ours = new LinkedHashMap<>();
    for (CudaStatus status : CudaStatus.values()) {
      String name =
          switch (status) {
            case SUCCESS -> "CUDA_SUCCESS";
            case UNKNOWN_ERROR -> "CUDA_ERROR_UNKNOWN";
            default -> "CUDA_ERROR_" + status;
          };
      if (status != CudaStatus.UNKNOWN) {
        ours.put(name, (long) status.code());
      }
    }
    for (DeviceAttribute attribute : DeviceAttribute.values()) {
      ours.put("CU_DEVICE_ATTRIBUTE_" + attribute, (long) attribute.code());
    }
    for (KernelAttribute attribute : KernelAttribute.values()) {
      ours.put("CU_FUNC_ATTRIBUTE_" + attribute, (long) attribute.ordinal());
    }
    for (CaptureStatus status : CaptureStatus.values()) {
      if (status != CaptureStatus.UNKNOWN) {
        ours.put("CU_STREAM_CAPTURE_STATUS_" + status, (long) status.ordinal());
      }
    }
    ours.put("CU_STREAM_NON_BLOCKING", (long) CudaFunctions.STREAM_NON_BLOCKING);
    ours.put("CU_EVENT_BLOCKING_SYNC", (long) CudaFunctions.EVENT_BLOCKING_SYNC);
    ours.put("CU_EVENT_DISABLE_TIMING", (long) CudaFunctions.EVENT_DISABLE_TIMING);
    ours.put("CU_MEMHOSTALLOC_PORTABLE", (long) CudaFunctions.MEMHOSTALLOC_PORTABLE);
    ours.put("CU_STREAM_CAPTURE_MODE_THREAD_LOCAL", (long) CudaFunctions.CAPTURE_MODE_THREAD_LOCAL);
    ours.put(
        "CU_USER_OBJECT_NO_DESTRUCTOR_SYNC", (long) CudaFunctions.USER_OBJECT_NO_DESTRUCTOR_SYNC);
    ours.put("CU_GRAPH_USER_OBJECT_MOVE", (long) CudaFunctions.GRAPH_USER_OBJECT_MOVE);
    ours.put("CU_JIT_ERROR_LOG_BUFFER", (long) CudaFunctions.JIT_ERROR_LOG_BUFFER);
    ours.put(
        "CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES", (long) CudaFunctions.JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
    ours.put(
        "CU_USER_OBJECT_NO_DESTRUCTOR_SYNC", (long) CudaFunctions.USER_OBJECT_NO_DESTRUCTOR_SYNC);
    ours.put("CU_GRAPH_USER_OBJECT_MOVE", (long) CudaFunctions.GRAPH_USER_OBJECT_MOVE);
    ours.put("sizeof(CUuuid)", (long) CudaFunctions.UUID_BYTES);
    ours.put("sizeof(CUgraphExecUpdateResultInfo)", CudaFunctions.UPDATE_RESULT_BYTES);
    ours.put("sizeof(CUdeviceptr)", 8L);
    ours.put("sizeof(CUdevice)", 4L);
    assertEquals(ours, headers().values(ours.sequencedKeySet()));
  }

  @Test
  void everyPrototypeIsTheHeaders() throws Exception {
    NativeLibrary driver =
        NativeLibrary.find("the CUDA driver", "cuInit")
            .file("fetched", VendorLibraries.library("libcuda.so.1"))
            .load();
    new CudaFunctions(driver);
    var ours = CHeaders.prototypes(driver);
    assertTrue(ours.size() > 45, () -> "only " + ours.keySet());
    assertEquals(ours, headers().prototypes(ours.sequencedKeySet()));
  }

  private CHeaders headers() {
    return new CHeaders(scratch, VendorLibraries.headers("cuda.h"), List.of("cuda.h"));
  }
}
