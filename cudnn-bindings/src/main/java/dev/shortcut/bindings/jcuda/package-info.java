/**
 * Between <a href="http://jcuda.org">JCuda</a>'s objects and ours: {@link
 * dev.shortcut.bindings.jcuda.FromJCuda} and {@link dev.shortcut.bindings.jcuda.ToJCuda}, and for
 * cuDNN's handles {@link dev.shortcut.bindings.jcuda.FromJCudnn} and {@link
 * dev.shortcut.bindings.jcuda.ToJCudnn}.
 *
 * <p>Both sides only hold addresses of what the driver made, so that nothing is copied. Who frees
 * it is said by the method: one named after the thing <em>lends</em> it, and whoever made it goes
 * on owning it; {@code take} and {@code give} <em>move</em> it, and leave the object that they took
 * it from empty or closed.
 *
 * <p>JCuda is an optional dependency, needed by this package alone: {@code org.jcuda:jcuda:12.6.0},
 * and {@code org.jcuda:jcudnn:11.7.0} with the natives of {@code org.jcuda:jcudnn-natives:12.6.0}
 * for the two classes of cuDNN. JCuda looks for its own native libraries in {@code
 * java.library.path} and on the class path, which may stand beside a module path; on the module
 * path its jars are automatic modules, named with {@code --add-modules jcuda}.
 *
 * <pre>{@code
 * Context context = FromJCuda.context(Cuda.open(), cuContext);
 * Stream stream = FromJCuda.stream(Cuda.open(), context, cuStream);
 * }</pre>
 */
@NullMarked
package dev.shortcut.bindings.jcuda;

import org.jspecify.annotations.NullMarked;
