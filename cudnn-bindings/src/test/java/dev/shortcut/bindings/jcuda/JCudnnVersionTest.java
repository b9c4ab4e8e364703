package dev.shortcut.bindings.jcuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.shortcut.bindings.library.NvidiaLibrary;
import dev.shortcut.testing.OtherProcess;
import dev.shortcut.testing.VendorLibraries;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import jcuda.jcudnn.JCudnn;
import jcuda.jcudnn.cudnnConvolutionDescriptor;
import jcuda.jcudnn.cudnnConvolutionMode;
import jcuda.jcudnn.cudnnDataType;
import jcuda.jcudnn.cudnnFilterDescriptor;
import jcuda.jcudnn.cudnnHandle;
import jcuda.jcudnn.cudnnTensorDescriptor;
import jcuda.jcudnn.cudnnTensorFormat;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** JCudnn's own native code with NVIDIA's cuDNN, as far as that goes without a GPU. */
@Tag("vendor")
class JCudnnVersionTest {
  /** What cuDNN 9 says where there is no GPU; JCudnn's own table of statuses is cuDNN 8's. */
  private static final int NOT_INITIALIZED = 1001;

  @ParameterizedTest
  @CsvSource({"JCUDNN, 90501", "OLDEST_CUDNN, 91101", "PINNED, 92000", "NEWEST_CUDNN, 92800"})
  void itsDescriptorsWorkAndOnlyTheHandleNeedsAGpu(VendorLibraries.Set set, long version)
      throws Exception {
    set.library(NvidiaLibrary.CUDNN.soname(0));
    assertEquals(
        List.of(
            "version " + version,
            "a 7x7 convolution at stride 2 makes [32, 64, 112, 112]",
            "a handle: " + NOT_INITIALIZED),
        OtherProcess.run(
                Program.class, Map.of(NvidiaLibrary.FOLDER_VARIABLE, set.folder().toString()))
            .lines()
            .toList());
  }

  /** The other process: libraries of several versions cannot be in one. */
  static final class Program {
    private Program() {}

    public static void main(String[] args) {
      // By their paths and before JCudnn's own code, which then gets what is open already.
      NvidiaLibrary.DRIVER.find(12);
      NvidiaLibrary.NVRTC.find(12);
      NvidiaLibrary.CUBLASLT.find(12);
      NvidiaLibrary.CUDNN.find(12);
      JCudnn.setExceptionsEnabled(false);
      System.out.println("version " + JCudnn.cudnnGetVersion());
      var x = new cudnnTensorDescriptor();
      check(JCudnn.cudnnCreateTensorDescriptor(x));
      check(
          JCudnn.cudnnSetTensor4dDescriptor(
              x,
              cudnnTensorFormat.CUDNN_TENSOR_NHWC,
              cudnnDataType.CUDNN_DATA_HALF,
              32,
              8,
              224,
              224));
      var w = new cudnnFilterDescriptor();
      check(JCudnn.cudnnCreateFilterDescriptor(w));
      check(
          JCudnn.cudnnSetFilter4dDescriptor(
              w, cudnnDataType.CUDNN_DATA_HALF, cudnnTensorFormat.CUDNN_TENSOR_NHWC, 64, 8, 7, 7));
      var convolution = new cudnnConvolutionDescriptor();
      check(JCudnn.cudnnCreateConvolutionDescriptor(convolution));
      check(
          JCudnn.cudnnSetConvolution2dDescriptor(
              convolution,
              3,
              3,
              2,
              2,
              1,
              1,
              cudnnConvolutionMode.CUDNN_CROSS_CORRELATION,
              cudnnDataType.CUDNN_DATA_FLOAT));
      int[] n = new int[1];
      int[] c = new int[1];
      int[] h = new int[1];
      int[] width = new int[1];
      check(JCudnn.cudnnGetConvolution2dForwardOutputDim(convolution, x, w, n, c, h, width));
      System.out.println(
          "a 7x7 convolution at stride 2 makes "
              + Arrays.toString(new int[] {n[0], c[0], h[0], width[0]}));
      check(JCudnn.cudnnDestroyConvolutionDescriptor(convolution));
      check(JCudnn.cudnnDestroyFilterDescriptor(w));
      check(JCudnn.cudnnDestroyTensorDescriptor(x));
      System.out.println("a handle: " + JCudnn.cudnnCreate(new cudnnHandle()));
    }

    private static void check(int status) {
      if (status != 0) {
        throw new IllegalStateException("status " + status);
      }
    }
  }
}
