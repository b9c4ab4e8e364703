package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.testing.device.SoftwareDevice;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** What tests of cuDNN on the software device begin with, and what each of them ends with. */
abstract class OnSoftwareCudnn {
  Closer owner;
  Context context;
  Stream stream;
  Cudnn cudnn;
  CudnnHandle handle;

  /** What the library itself refused to destroy. */
  final Map<String, Long> notDestroyed = new TreeMap<>();

  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    SoftwareDevice.reset();
    owner = new Closer();
    context = owner.own(Cuda.open().devices().getFirst().retainPrimary());
    context.push();
    owner.own(context::pop);
    stream = owner.own(context.newStream());
    cudnn = Cudnn.open();
    handle = owner.own(cudnn.newHandle());
    handle.setStream(stream);
  }

  @AfterEach
  void nothingIsLeft() {
    owner.close();
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(notDestroyed, SoftwareDevice.live());
  }
}
