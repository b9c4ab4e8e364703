package dev.shortcut.bindings.jcuda;

import java.util.List;

/**
 * The module that JCuda is in. On the class path that is the unnamed one, which a named module such
 * as ours does not read by itself.
 */
final class JCudaModule {
  private static final List<String> TYPES =
      List.of("jcuda.NativePointerObject", "jcuda.jcudnn.JCudnn");

  private JCudaModule() {}

  /** Lets our module see JCuda's classes, before the first of them is needed. */
  static void read() {
    Module ours = JCudaModule.class.getModule();
    for (String type : TYPES) {
      try {
        Class<?> found = Class.forName(type, false, JCudaModule.class.getClassLoader());
        ours.addReads(found.getModule());
      } catch (ClassNotFoundException _) {
        // Who needs it is told so by the virtual machine.
      }
    }
  }
}
