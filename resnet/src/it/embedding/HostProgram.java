import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;
import jcuda.nvrtc.JNvrtc;
import jcuda.nvrtc.nvrtcProgram;

/**
 * What a program that uses JCuda has before it hears of Shortcut: a context of its own, streams,
 * device memory, pinned memory and two kernels. Closing it gives all of that back.
 */
final class HostProgram implements AutoCloseable {
  private static final String KERNELS =
      """
      extern "C" __global__ void frames_to_rgb(const unsigned char* bgra, unsigned char* rgb, int pixels) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < pixels) {
          for (int c = 0; c < 3; c++) rgb[3 * i + c] = bgra[4 * i + 2 - c];
        }
      }

      extern "C" __global__ void best_class(const float* logits, int* best, int images, int classes) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < images) {
          int k = 0;
          for (int c = 1; c < classes; c++) {
            if (logits[i * classes + c] > logits[i * classes + k]) k = c;
          }
          best[i] = k;
        }
      }
      """;

  private static final int THREADS = 128;

  final CUcontext context = new CUcontext();
  final CUfunction framesToRgb;
  final CUfunction bestClass;

  private final Deque<Runnable> toFree = new ArrayDeque<>();

  HostProgram() {
    JCudaDriver.setExceptionsEnabled(true);
    JNvrtc.setExceptionsEnabled(true);
    JCudaDriver.cuInit(0);
    CUdevice device = new CUdevice();
    JCudaDriver.cuDeviceGet(device, 0);
    JCudaDriver.cuCtxCreate(context, 0, device);
    toFree.push(() -> JCudaDriver.cuCtxDestroy(context));
    CUmodule module = new CUmodule();
    JCudaDriver.cuModuleLoadData(module, machineCode(architecture(device)));
    toFree.push(() -> JCudaDriver.cuModuleUnload(module));
    framesToRgb = function(module, "frames_to_rgb");
    bestClass = function(module, "best_class");
  }

  CUstream stream() {
    CUstream stream = new CUstream();
    JCudaDriver.cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING);
    toFree.push(() -> JCudaDriver.cuStreamDestroy(stream));
    return stream;
  }

  CUdeviceptr deviceMemory(long bytes) {
    CUdeviceptr memory = new CUdeviceptr();
    JCudaDriver.cuMemAlloc(memory, bytes);
    toFree.push(() -> JCudaDriver.cuMemFree(memory));
    return memory;
  }

  Pointer pinnedMemory(long bytes) {
    Pointer memory = new Pointer();
    JCudaDriver.cuMemAllocHost(memory, bytes);
    toFree.push(() -> JCudaDriver.cuMemFreeHost(memory));
    return memory;
  }

  /** The host's view of pinned memory. */
  static IntBuffer ints(Pointer pinned, int count) {
    return pinned.getByteBuffer(0, 4L * count).order(ByteOrder.nativeOrder()).asIntBuffer();
  }

  /** Enqueues a kernel, one thread for each of {@code count} elements. */
  static void launch(CUfunction kernel, int count, CUstream stream, Pointer... arguments) {
    int blocks = (count + THREADS - 1) / THREADS;
    Pointer parameters = Pointer.to(arguments);
    JCudaDriver.cuLaunchKernel(
        kernel, blocks, 1, 1, THREADS, 1, 1, 0, stream, parameters, new Pointer());
  }

  @Override
  public void close() {
    toFree.forEach(Runnable::run);
  }

  private static CUfunction function(CUmodule module, String name) {
    CUfunction function = new CUfunction();
    JCudaDriver.cuModuleGetFunction(function, module, name);
    return function;
  }

  private static String architecture(CUdevice device) {
    int[] major = {0};
    int[] minor = {0};
    JCudaDriver.cuDeviceGetAttribute(
        major, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device);
    JCudaDriver.cuDeviceGetAttribute(
        minor, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
    return "sm_" + major[0] + minor[0];
  }

  private static byte[] machineCode(String architecture) {
    nvrtcProgram program = new nvrtcProgram();
    JNvrtc.nvrtcCreateProgram(program, KERNELS, "kernels.cu", 0, null, null);
    String[] options = {"--gpu-architecture=" + architecture};
    JNvrtc.nvrtcCompileProgram(program, options.length, options);
    long[] size = {0};
    JNvrtc.nvrtcGetCUBINSize(program, size);
    byte[] code = new byte[Math.toIntExact(size[0])];
    JNvrtc.nvrtcGetCUBIN(program, code);
    JNvrtc.nvrtcDestroyProgram(program);
    return code;
  }
}
