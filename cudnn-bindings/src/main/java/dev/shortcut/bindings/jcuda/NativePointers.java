package dev.shortcut.bindings.jcuda;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.function.LongSupplier;
import jcuda.NativePointerObject;
import jcuda.Pointer;

/**
 * The addresses in JCuda's objects, which JCuda itself shows to subclasses only, and sets from
 * native code only.
 */
final class NativePointers {
  private NativePointers() {}

  /** A copy of an object, which its subclass may look into. */
  private static final class Copy extends NativePointerObject {
    Copy(NativePointerObject original) {
      super(original);
    }

    long value() {
      return getNativePointer();
    }
  }

  /** A copy of a pointer, which its subclass may look into. */
  private static final class PointerCopy extends Pointer {
    PointerCopy(Pointer original) {
      super(original);
    }

    long value() {
      return getNativePointer();
    }

    long offset() {
      return getByteOffset();
    }
  }

  /** Where JCuda keeps the address; its holder is made at the first write, and may fail then. */
  private static final class Field {
    static final VarHandle ADDRESS = field(MethodHandles.lookup());
  }

  /** The address in an object; 0 where it has none yet. */
  static long get(NativePointerObject object) {
    return new Copy(object).value();
  }

  /**
   * Where a pointer points to.
   *
   * @throws IllegalArgumentException if it points to an array or a buffer of Java's, or nowhere
   */
  static long get(Pointer pointer) {
    var copy = new PointerCopy(pointer);
    if (copy.value() == 0) {
      throw new IllegalArgumentException(
          "%s holds no address: it was not allocated yet, or points to a Java array or buffer"
              .formatted(pointer));
    }
    return copy.value() + copy.offset();
  }

  /** Writes the address into an object that nothing was created in. */
  static <T extends NativePointerObject> T set(T object, long address) {
    Field.ADDRESS.set(object, address);
    return object;
  }

  /** Writes an address that is only fetched once it is sure that it can be written. */
  static <T extends NativePointerObject> T give(T object, LongSupplier detached) {
    return set(set(object, 0), detached.getAsLong());
  }

  /**
   * JCuda's field.
   *
   * @param caller who wants to write it
   * @throws IllegalStateException if the module that JCuda is in keeps it from us, with the option
   *     that helps
   */
  static VarHandle field(MethodHandles.Lookup caller) {
    Class<NativePointerObject> owner = NativePointerObject.class;
    try {
      return MethodHandles.privateLookupIn(owner, caller)
          .findVarHandle(owner, "nativePointer", long.class);
    } catch (IllegalAccessException e) {
      throw new IllegalStateException(
          "addresses cannot be put into JCuda's objects, since %s does not open the package %s: start Java with --add-opens %s/%s=%s"
              .formatted(
                  owner.getModule(),
                  owner.getPackageName(),
                  name(owner.getModule()),
                  owner.getPackageName(),
                  name(caller.lookupClass().getModule())),
          e);
    } catch (NoSuchFieldException e) {
      throw new IllegalStateException(
          "this JCuda keeps its addresses elsewhere than 12.6.0 does, which was tried: "
              + owner.getProtectionDomain().getCodeSource(),
          e);
    }
  }

  private static String name(Module module) {
    return module.isNamed() ? module.getName() : "ALL-UNNAMED";
  }
}
