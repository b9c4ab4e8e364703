/**
 * The CUDA driver: devices, contexts, streams, events, memory, modules, graphs.
 *
 * <p>Every object that is made here is closed by whoever made it, newest first, for which there is
 * {@link dev.shortcut.bindings.library.Closer}. Closing twice does nothing the second time, use
 * after that throws {@link java.lang.IllegalStateException}, and a close that the driver refuses is
 * logged, not thrown.
 *
 * <p>Objects that another library made come in by their addresses: <em>borrowed</em>, when closing
 * them here does nothing ({@link dev.shortcut.bindings.cuda.Cuda#borrowStream} and its like), or
 * <em>adopted</em>, when they are ours to free from then on ({@code adoptStream}). Ours go out by
 * {@code handle()} and {@code address()}, which lends them, or by {@code detach()}, which hands
 * them over for good. A context can only be borrowed, since it takes along all that was made in it.
 *
 * <p>The driver keeps a stack of contexts for each thread of the operating system. Whatever makes
 * an object or enqueues work needs its context to be current on the calling thread, between {@link
 * dev.shortcut.bindings.cuda.Context#push} and {@link dev.shortcut.bindings.cuda.Context#pop};
 * closing sees to that by itself. A virtual thread may continue on another thread of the operating
 * system wherever it can park, so that nothing that can park may stand between the two.
 *
 * <pre>{@code
 * Cuda cuda = Cuda.open();
 * try (Context context = cuda.devices().getFirst().retainPrimary()) {
 *   context.push();
 *   try (Stream stream = context.newStream();
 *       DeviceMemory memory = context.allocate(1024)) {
 *     stream.fill(memory.address(), (byte) 0, memory.bytes());
 *     stream.synchronize();
 *   } finally {
 *     context.pop();
 *   }
 * }
 * }</pre>
 */
@NullMarked
package dev.shortcut.bindings.cuda;

import org.jspecify.annotations.NullMarked;
