package dev.shortcut.bindings.nvrtc;

import static dev.shortcut.bindings.library.CTypes.INT;
import static dev.shortcut.bindings.library.CTypes.POINTER;

import dev.shortcut.bindings.library.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * NVRTC's C functions, as many as are called: one C function is one handle and one typed method
 * with C's argument order that checks the status. Names are C's without the prefix {@code nvrtc}.
 */
final class NvrtcFunctions {
  private final NativeLibrary library;
  private final MethodHandle getErrorString;
  private final MethodHandle getNumSupportedArchs;
  private final MethodHandle getSupportedArchs;
  private final MethodHandle createProgram;
  private final MethodHandle destroyProgram;
  private final MethodHandle compileProgram;
  private final MethodHandle getProgramLogSize;
  private final MethodHandle getProgramLog;
  private final MethodHandle getCubinSize;
  private final MethodHandle getCubin;
  private final MethodHandle getPtxSize;
  private final MethodHandle getPtx;

  /** Binds every function. */
  NvrtcFunctions(NativeLibrary library) {
    this.library = library;
    getErrorString = library.function("nvrtcGetErrorString", POINTER, INT);
    getNumSupportedArchs = status("nvrtcGetNumSupportedArchs", POINTER);
    getSupportedArchs = status("nvrtcGetSupportedArchs", POINTER);
    createProgram = status("nvrtcCreateProgram", POINTER, POINTER, POINTER, INT, POINTER, POINTER);
    destroyProgram = status("nvrtcDestroyProgram", POINTER);
    compileProgram = status("nvrtcCompileProgram", POINTER, INT, POINTER);
    getProgramLogSize = status("nvrtcGetProgramLogSize", POINTER, POINTER);
    getProgramLog = status("nvrtcGetProgramLog", POINTER, POINTER);
    getCubinSize = status("nvrtcGetCUBINSize", POINTER, POINTER);
    getCubin = status("nvrtcGetCUBIN", POINTER, POINTER);
    getPtxSize = status("nvrtcGetPTXSize", POINTER, POINTER);
    getPtx = status("nvrtcGetPTX", POINTER, POINTER);
  }

  NativeLibrary library() {
    return library;
  }

  /** {@code major * 1000 + minor * 10}, of a library whose other functions may not be there. */
  static int version(NativeLibrary library) {
    MethodHandle version = library.function("nvrtcVersion", INT, POINTER, POINTER);
    int status;
    int number;
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment major = frame.allocate(INT);
      MemorySegment minor = frame.allocate(INT);
      try {
        status = (int) version.invokeExact(major, minor);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      number = 1000 * major.get(INT, 0) + 10 * minor.get(INT, 0);
    }
    if (status != 0) {
      throw new NvrtcException("nvrtcVersion", status, NvrtcStatus.of(status).toString(), "");
    }
    return number;
  }

  void getNumSupportedArchs(MemorySegment count) {
    int status;
    try {
      status = (int) getNumSupportedArchs.invokeExact(count);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "nvrtcGetNumSupportedArchs");
  }

  void getSupportedArchs(MemorySegment numbers) {
    int status;
    try {
      status = (int) getSupportedArchs.invokeExact(numbers);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "nvrtcGetSupportedArchs");
  }

  void createProgram(
      MemorySegment program,
      MemorySegment source,
      MemorySegment name,
      int headerCount,
      MemorySegment headers,
      MemorySegment includeNames) {
    int status;
    try {
      status =
          (int)
              createProgram.invokeExact(program, source, name, headerCount, headers, includeNames);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "nvrtcCreateProgram");
  }

  void destroyProgram(MemorySegment program) {
    int status;
    try {
      status = (int) destroyProgram.invokeExact(program);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "nvrtcDestroyProgram");
  }

  /** Returns the status: what the compiler said is to be read before an exception is made. */
  int compileProgram(MemorySegment program, int count, MemorySegment options) {
    try {
      return (int) compileProgram.invokeExact(program, count, options);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  void getProgramLogSize(MemorySegment program, MemorySegment bytes) {
    int status;
    try {
      status = (int) getProgramLogSize.invokeExact(program, bytes);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "nvrtcGetProgramLogSize");
  }

  void getProgramLog(MemorySegment program, MemorySegment log) {
    int status;
    try {
      status = (int) getProgramLog.invokeExact(program, log);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "nvrtcGetProgramLog");
  }

  void getCubinSize(MemorySegment program, MemorySegment bytes) {
    int status;
    try {
      status = (int) getCubinSize.invokeExact(program, bytes);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "nvrtcGetCUBINSize");
  }

  void getCubin(MemorySegment program, MemorySegment image) {
    int status;
    try {
      status = (int) getCubin.invokeExact(program, image);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "nvrtcGetCUBIN");
  }

  void getPtxSize(MemorySegment program, MemorySegment bytes) {
    int status;
    try {
      status = (int) getPtxSize.invokeExact(program, bytes);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "nvrtcGetPTXSize");
  }

  void getPtx(MemorySegment program, MemorySegment image) {
    int status;
    try {
      status = (int) getPtx.invokeExact(program, image);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "nvrtcGetPTX");
  }

  /** The exception for a call that returned {@code status}. */
  NvrtcException failure(String function, int status, String log) {
    MemorySegment text;
    try {
      text = (MemorySegment) getErrorString.invokeExact(status);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    return new NvrtcException(function, status, NativeLibrary.string(text), log);
  }

  private void check(int status, String function) {
    if (status != 0) {
      throw failure(function, status, "");
    }
  }

  private MethodHandle status(String function, MemoryLayout... arguments) {
    return library.function(function, INT, arguments);
  }
}
