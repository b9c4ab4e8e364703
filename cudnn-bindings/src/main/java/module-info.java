/**
 * Native libraries for the JVM: finding them, opening them, calling them and owning what they give
 * out.
 */
module dev.shortcut.bindings {
  // Only dev.shortcut.bindings.jcuda needs the two, which are automatic modules and optional.
  requires static jcuda;
  requires static jcudnn;
  requires static transitive org.jspecify;

  exports dev.shortcut.bindings.cublas;
  exports dev.shortcut.bindings.cuda;
  exports dev.shortcut.bindings.cudnn;
  exports dev.shortcut.bindings.dlpack;
  exports dev.shortcut.bindings.jcuda;
  exports dev.shortcut.bindings.library;
  exports dev.shortcut.bindings.nvidia;
  exports dev.shortcut.bindings.nvrtc;
  exports dev.shortcut.bindings.webp;
}
