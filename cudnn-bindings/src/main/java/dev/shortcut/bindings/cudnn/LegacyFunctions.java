package dev.shortcut.bindings.cudnn;

import static dev.shortcut.bindings.library.CTypes.DOUBLE;
import static dev.shortcut.bindings.library.CTypes.INT;
import static dev.shortcut.bindings.library.CTypes.LONG;
import static dev.shortcut.bindings.library.CTypes.POINTER;
import static dev.shortcut.bindings.library.CTypes.SIZE_T;

import dev.shortcut.bindings.library.NativeLibrary;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * cuDNN's C API from before the graph API, as much of it as is called, in the manner of {@link
 * CudnnFunctions}. Apart from that, since NVIDIA also packs cuDNN without it: {@link Cudnn#legacy}
 * binds it when it is first wanted.
 *
 * <p>Immutable and safe for use by any thread.
 */
final class LegacyFunctions {
  private final CudnnFunctions functions;
  private final MethodHandle createTensorDescriptor;
  private final MethodHandle setTensor4dDescriptor;
  private final MethodHandle destroyTensorDescriptor;
  private final MethodHandle createFilterDescriptor;
  private final MethodHandle setFilter4dDescriptor;
  private final MethodHandle destroyFilterDescriptor;
  private final MethodHandle createConvolutionDescriptor;
  private final MethodHandle setConvolution2dDescriptor;
  private final MethodHandle setConvolutionMathType;
  private final MethodHandle setConvolutionGroupCount;
  private final MethodHandle destroyConvolutionDescriptor;
  private final MethodHandle createActivationDescriptor;
  private final MethodHandle setActivationDescriptor;
  private final MethodHandle destroyActivationDescriptor;
  private final MethodHandle getConvolutionForwardWorkspaceSize;
  private final MethodHandle convolutionBiasActivationForward;

  LegacyFunctions(CudnnFunctions functions) {
    this.functions = functions;
    createTensorDescriptor = status("CreateTensorDescriptor", POINTER);
    setTensor4dDescriptor = status("SetTensor4dDescriptor", POINTER, INT, INT, INT, INT, INT, INT);
    destroyTensorDescriptor = status("DestroyTensorDescriptor", POINTER);
    createFilterDescriptor = status("CreateFilterDescriptor", POINTER);
    setFilter4dDescriptor = status("SetFilter4dDescriptor", POINTER, INT, INT, INT, INT, INT, INT);
    destroyFilterDescriptor = status("DestroyFilterDescriptor", POINTER);
    createConvolutionDescriptor = status("CreateConvolutionDescriptor", POINTER);
    setConvolution2dDescriptor =
        status("SetConvolution2dDescriptor", POINTER, INT, INT, INT, INT, INT, INT, INT, INT);
    setConvolutionMathType = status("SetConvolutionMathType", POINTER, INT);
    setConvolutionGroupCount = status("SetConvolutionGroupCount", POINTER, INT);
    destroyConvolutionDescriptor = status("DestroyConvolutionDescriptor", POINTER);
    createActivationDescriptor = status("CreateActivationDescriptor", POINTER);
    setActivationDescriptor = status("SetActivationDescriptor", POINTER, INT, INT, DOUBLE);
    destroyActivationDescriptor = status("DestroyActivationDescriptor", POINTER);
    getConvolutionForwardWorkspaceSize =
        status(
            "GetConvolutionForwardWorkspaceSize",
            POINTER,
            POINTER,
            POINTER,
            POINTER,
            POINTER,
            INT,
            POINTER);
    convolutionBiasActivationForward =
        status(
            "ConvolutionBiasActivationForward",
            POINTER,
            POINTER,
            POINTER,
            LONG,
            POINTER,
            LONG,
            POINTER,
            INT,
            LONG,
            SIZE_T,
            POINTER,
            POINTER,
            LONG,
            POINTER,
            LONG,
            POINTER,
            POINTER,
            LONG);
  }

  void createTensorDescriptor(MemorySegment descriptor) {
    int status;
    try {
      status = (int) createTensorDescriptor.invokeExact(descriptor);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    functions.check(status, "cudnnCreateTensorDescriptor");
  }

  void setTensor4dDescriptor(
      MemorySegment descriptor, int format, int type, int n, int c, int h, int w) {
    int status;
    try {
      status = (int) setTensor4dDescriptor.invokeExact(descriptor, format, type, n, c, h, w);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    functions.check(status, "cudnnSetTensor4dDescriptor");
  }

  void destroyTensorDescriptor(MemorySegment descriptor) {
    int status;
    try {
      status = (int) destroyTensorDescriptor.invokeExact(descriptor);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    functions.check(status, "cudnnDestroyTensorDescriptor");
  }

  void createFilterDescriptor(MemorySegment descriptor) {
    int status;
    try {
      status = (int) createFilterDescriptor.invokeExact(descriptor);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    functions.check(status, "cudnnCreateFilterDescriptor");
  }

  void setFilter4dDescriptor(
      MemorySegment descriptor, int type, int format, int k, int c, int h, int w) {
    int status;
    try {
      status = (int) setFilter4dDescriptor.invokeExact(descriptor, type, format, k, c, h, w);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    functions.check(status, "cudnnSetFilter4dDescriptor");
  }

  void destroyFilterDescriptor(MemorySegment descriptor) {
    int status;
    try {
      status = (int) destroyFilterDescriptor.invokeExact(descriptor);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    functions.check(status, "cudnnDestroyFilterDescriptor");
  }

  void createConvolutionDescriptor(MemorySegment descriptor) {
    int status;
    try {
      status = (int) createConvolutionDescriptor.invokeExact(descriptor);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    functions.check(status, "cudnnCreateConvolutionDescriptor");
  }

  void setConvolution2dDescriptor(
      MemorySegment descriptor,
      int padH,
      int padW,
      int strideH,
      int strideW,
      int dilationH,
      int dilationW,
      int mode,
      int computeType) {
    int status;
    try {
      status =
          (int)
              setConvolution2dDescriptor.invokeExact(
                  descriptor,
                  padH,
                  padW,
                  strideH,
                  strideW,
                  dilationH,
                  dilationW,
                  mode,
                  computeType);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    functions.check(status, "cudnnSetConvolution2dDescriptor");
  }

  void setConvolutionMathType(MemorySegment descriptor, int mathType) {
    int status;
    try {
      status = (int) setConvolutionMathType.invokeExact(descriptor, mathType);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    functions.check(status, "cudnnSetConvolutionMathType");
  }

  void setConvolutionGroupCount(MemorySegment descriptor, int groups) {
    int status;
    try {
      status = (int) setConvolutionGroupCount.invokeExact(descriptor, groups);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    functions.check(status, "cudnnSetConvolutionGroupCount");
  }

  void destroyConvolutionDescriptor(MemorySegment descriptor) {
    int status;
    try {
      status = (int) destroyConvolutionDescriptor.invokeExact(descriptor);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    functions.check(status, "cudnnDestroyConvolutionDescriptor");
  }

  void createActivationDescriptor(MemorySegment descriptor) {
    int status;
    try {
      status = (int) createActivationDescriptor.invokeExact(descriptor);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    functions.check(status, "cudnnCreateActivationDescriptor");
  }

  void setActivationDescriptor(
      MemorySegment descriptor, int mode, int nanPropagation, double coefficient) {
    int status;
    try {
      status =
          (int) setActivationDescriptor.invokeExact(descriptor, mode, nanPropagation, coefficient);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    functions.check(status, "cudnnSetActivationDescriptor");
  }

  void destroyActivationDescriptor(MemorySegment descriptor) {
    int status;
    try {
      status = (int) destroyActivationDescriptor.invokeExact(descriptor);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    functions.check(status, "cudnnDestroyActivationDescriptor");
  }

  void getConvolutionForwardWorkspaceSize(
      MemorySegment handle,
      MemorySegment x,
      MemorySegment w,
      MemorySegment convolution,
      MemorySegment y,
      int algorithm,
      MemorySegment bytes) {
    int status;
    try {
      status =
          (int)
              getConvolutionForwardWorkspaceSize.invokeExact(
                  handle, x, w, convolution, y, algorithm, bytes);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    functions.check(status, "cudnnGetConvolutionForwardWorkspaceSize");
  }

  /** Device addresses are passed as numbers. */
  void convolutionBiasActivationForward(
      MemorySegment handle,
      MemorySegment alpha1,
      MemorySegment xLayout,
      long x,
      MemorySegment wLayout,
      long w,
      MemorySegment convolution,
      int algorithm,
      long workspace,
      long workspaceBytes,
      MemorySegment alpha2,
      MemorySegment zLayout,
      long z,
      MemorySegment biasLayout,
      long bias,
      MemorySegment activation,
      MemorySegment yLayout,
      long y) {
    int status;
    try {
      status =
          (int)
              convolutionBiasActivationForward.invokeExact(
                  handle,
                  alpha1,
                  xLayout,
                  x,
                  wLayout,
                  w,
                  convolution,
                  algorithm,
                  workspace,
                  workspaceBytes,
                  alpha2,
                  zLayout,
                  z,
                  biasLayout,
                  bias,
                  activation,
                  yLayout,
                  y);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    functions.check(status, "cudnnConvolutionBiasActivationForward");
  }

  private MethodHandle status(String function, MemoryLayout... arguments) {
    return functions.library().function("cudnn" + function, INT, arguments);
  }
}
