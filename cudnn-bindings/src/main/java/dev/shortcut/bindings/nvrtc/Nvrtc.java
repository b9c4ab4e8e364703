package dev.shortcut.bindings.nvrtc;

import dev.shortcut.bindings.cuda.ComputeCapability;
import dev.shortcut.bindings.library.Attempt;
import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.library.NativeHandle;
import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.bindings.library.NvidiaLibrary;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/** NVRTC. Immutable and safe for use by any thread; there is nothing to close. */
public final class Nvrtc {
  private static final Logger LOG = System.getLogger(Nvrtc.class.getName());

  private final NvrtcFunctions functions;
  private final int version;
  private final List<Integer> architectures;

  private Nvrtc(NvrtcFunctions functions) {
    this.functions = functions;
    this.version = version(functions.library());
    openBuiltins(functions.library(), version);
    this.architectures = architectures(functions);
    compileNothing();
  }

  /**
   * Finds NVRTC: the system property {@code shortcut.nvrtc.library}, the environment variable
   * {@code SHORTCUT_NVRTC_LIBRARY}, the system's loader, toolkits and pip's packages.
   *
   * @param cudaMajor the CUDA generation, 12 or 13, which must be cuDNN's
   * @throws LibraryException if there is none; the message lists every place tried
   */
  public static Nvrtc open(int cudaMajor) {
    return of(NvidiaLibrary.NVRTC.find(cudaMajor));
  }

  /** NVRTC, from a library that is open already. */
  public static Nvrtc of(NativeLibrary library) {
    return new Nvrtc(new NvrtcFunctions(library));
  }

  /** What {@link #version()} returns, of a library whose other functions may not be there. */
  public static int version(NativeLibrary library) {
    return NvrtcFunctions.version(library);
  }

  /** The version as the driver counts it: 12090 for 12.9. */
  public int version() {
    return version;
  }

  /** The chips that it makes machine code for, ascending: 90 for 9.0. */
  public List<Integer> supportedArchitectures() {
    return architectures;
  }

  /** The library that was opened. */
  public NativeLibrary library() {
    return functions.library();
  }

  /**
   * What a source is compiled for: {@code sm_90}, machine code, where NVRTC knows the chip, since a
   * driver older than NVRTC refuses its PTX; otherwise {@code compute_90}, PTX of the newest chip
   * that NVRTC knows below this one.
   *
   * @throws LibraryException if NVRTC is too old or too new for the chip
   */
  public String architecture(ComputeCapability target) {
    if (architectures.contains(target.number())) {
      return target.architecture();
    }
    return architectures.stream()
        .filter(known -> known < target.number())
        .reduce((_, last) -> last)
        // A driver compiles PTX for newer chips only; an older chip than all is one that was
        // dropped.
        .map(known -> "compute_" + known)
        .orElseThrow(() ->
            new LibraryException(
                "%s supports the compute capabilities %s, and this GPU has %s: use a CUDA generation that still supports it"
                    .formatted(library(), architectures, target)));
  }

  /**
   * Compiles CUDA C.
   *
   * @param name what the source is called in messages, such as {@code softmax.cu}
   * @param source without {@code #include}: where there is no toolkit there are no headers
   * @param target the GPU that it is for
   * @param options further options of the compiler; the architecture is added
   * @throws NvrtcException with the compiler's own words if the source or an option is wrong
   */
  public CompiledProgram compile(
      String name, String source, ComputeCapability target, List<String> options) {
    String architecture = architecture(target);
    List<String> all = new ArrayList<>(options);
    all.add(forArchitecture(architecture));
    try (Arena frame = Arena.ofConfined();
        NativeHandle owned = create(name, source, frame)) {
      MemorySegment program = owned.get();
      int status = functions.compileProgram(program, all.size(), strings(all, frame));
      if (status != 0) {
        throw functions.failure(
            "nvrtcCompileProgram",
            status,
            "%s with %s\n%s".formatted(name, String.join(" ", all), log(program, frame)));
      }
      byte[] image = architecture.startsWith("sm_") ? cubin(program, frame) : ptx(program, frame);
      return new CompiledProgram(architecture, image, log(program, frame).strip());
    }
  }

  /**
   * NVRTC opens its built-in functions by their soname when it first compiles. pip's package of
   * CUDA 13.0 has them in the same folder and nothing that would make the loader look there.
   */
  private static void openBuiltins(NativeLibrary library, int version) {
    String soname = "libnvrtc-builtins.so.%d.%d".formatted(version / 1000, version % 1000 / 10);
    List<Attempt> tried = library.openPart(soname);
    if (!tried.getLast().succeeded()) {
      // Not an error yet: some builds of NVRTC hold them inside.
      LOG.log(Level.DEBUG, "{0} is not there for {1}: {2}", soname, library, tried);
    }
  }

  /**
   * While NVRTC's front end works for the first time in a process, and then never again, it has the
   * process's handlers of SIGINT and SIGTERM replaced by ones that end the process at once (12.9
   * and 13.0). Static objects of cuDNN are then gone while other threads are inside of it, which
   * crashes, and no shutdown hook runs. So the first time is now, for a fraction of a millisecond,
   * and not in the middle of cuDNN's compiling.
   */
  private void compileNothing() {
    try (Arena frame = Arena.ofConfined();
        NativeHandle program = create("nothing.cu", "", frame)) {
      MemorySegment options =
          strings(List.of(forArchitecture("sm_" + architectures.getLast())), frame);
      int status = functions.compileProgram(program.get(), 1, options);
      if (status != 0) {
        // Who has something to compile is told why that fails.
        LOG.log(Level.DEBUG, "{0} does not compile an empty source: {1}", library(), status);
      }
    }
  }

  private static String forArchitecture(String architecture) {
    return "--gpu-architecture=" + architecture;
  }

  private NativeHandle create(String name, String source, Arena frame) {
    return NativeHandle.create(
        "NVRTC program " + name,
        out ->
            functions.createProgram(
                out,
                frame.allocateFrom(source),
                frame.allocateFrom(name),
                0,
                MemorySegment.NULL,
                MemorySegment.NULL),
        program -> functions.destroyProgram(frame.allocateFrom(CTypes.POINTER, program)));
  }

  private byte[] cubin(MemorySegment program, Arena frame) {
    MemorySegment size = frame.allocate(CTypes.SIZE_T);
    functions.getCubinSize(program, size);
    MemorySegment image = frame.allocate(size.get(CTypes.SIZE_T, 0));
    functions.getCubin(program, image);
    return image.toArray(ValueLayout.JAVA_BYTE);
  }

  private byte[] ptx(MemorySegment program, Arena frame) {
    MemorySegment size = frame.allocate(CTypes.SIZE_T);
    functions.getPtxSize(program, size);
    MemorySegment image = frame.allocate(size.get(CTypes.SIZE_T, 0));
    functions.getPtx(program, image);
    return image.toArray(ValueLayout.JAVA_BYTE);
  }

  private String log(MemorySegment program, Arena frame) {
    MemorySegment size = frame.allocate(CTypes.SIZE_T);
    functions.getProgramLogSize(program, size);
    MemorySegment log = frame.allocate(Math.max(1, size.get(CTypes.SIZE_T, 0)));
    functions.getProgramLog(program, log);
    return log.getString(0);
  }

  private static MemorySegment strings(List<String> strings, Arena frame) {
    MemorySegment array = frame.allocate(CTypes.POINTER, strings.size());
    for (int i = 0; i < strings.size(); i++) {
      array.setAtIndex(CTypes.POINTER, i, frame.allocateFrom(strings.get(i)));
    }
    return array;
  }

  private static List<Integer> architectures(NvrtcFunctions functions) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment count = frame.allocate(CTypes.INT);
      functions.getNumSupportedArchs(count);
      MemorySegment numbers = frame.allocate(CTypes.INT, count.get(CTypes.INT, 0));
      functions.getSupportedArchs(numbers);
      return numbers
          .elements(CTypes.INT)
          .map(element -> element.get(CTypes.INT, 0))
          .sorted()
          .toList();
    }
  }
}
