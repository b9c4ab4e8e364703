package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cublas.CublasLt;
import dev.shortcut.bindings.cudnn.DeviceProperties;
import dev.shortcut.bindings.nvidia.NvidiaLibraries;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What is chosen for one kind of device: those that cuDNN's plans do not tell apart. A model's
 * devices of one kind share every choice, be it timed or not, so that its results are bitwise the
 * same whichever of them serves, and so that each choice is made once. Used by the compiling
 * thread.
 */
final class DeviceKind {
  private static final Logger LOG = System.getLogger(DeviceKind.class.getName());

  private final CublasLt cublasLt;
  private final Map<String, Long> compared;
  private final @Nullable PlanCache cache;
  private final Planner planner;
  private final Map<MatrixProduct, Products.Choice> products = new HashMap<>();

  /**
   * A kind of which nothing was chosen yet.
   *
   * @param properties of one of its devices; must live as long as the kind
   * @param cache what was chosen at earlier starts; null for nothing
   */
  DeviceKind(NvidiaLibraries libraries, DeviceProperties properties, @Nullable PlanCache cache) {
    this.cublasLt = libraries.cublasLt();
    this.compared = properties.compared();
    this.cache = cache;
    this.planner = new Planner(libraries.cudnn(), properties, cache);
  }

  /** Chooses cuDNN's plans. */
  Planner planner() {
    return planner;
  }

  /**
   * What was chosen for a product on a device of this kind, now or, by timing, at an earlier start;
   * whether it is still what it was is for the caller to find out, who has cuBLASLt.
   */
  Optional<Products.Choice> chosen(MatrixProduct product) {
    Products.Choice choice = products.get(product);
    if (choice != null) {
      return Optional.of(choice);
    }
    return cache == null ? Optional.empty() : kept(product, cache);
  }

  private Optional<Products.Choice> kept(MatrixProduct product, PlanCache plans) {
    Optional<PlanEntry> entry = plans.find(key(product));
    if (entry.isPresent()
        && entry.get().timed()
        && entry.get().kept() instanceof PlanEntry.Rank(int rank, long bytes, String algorithm)) {
      return Optional.of(
          new Products.Choice(rank, bytes, algorithm, "the fastest at an earlier start"));
    }
    if (entry.isPresent()) {
      plans.ignore(key(product), "it is no suggestion of cuBLASLt's that was timed");
    }
    return Optional.empty();
  }

  /** Takes note that what was chosen is taken on one more device. */
  void taken(MatrixProduct product, Products.Choice choice) {
    if (products.putIfAbsent(product, choice) == null && cache != null && choice.timed()) {
      cache.taken();
    }
  }

  /** Takes note that what was chosen cannot be taken, so that a device chooses for itself. */
  void notTaken(MatrixProduct product, String why) {
    if (cache != null && !products.containsKey(product)) {
      cache.ignore(key(product), why);
    } else {
      LOG.log(Level.WARNING, "{0} is not chosen alike on equal devices: {1}", product, why);
    }
  }

  /** Takes what was timed to be the fastest from now on, also at the next start. */
  void choose(MatrixProduct product, Products.Choice choice) {
    products.put(product, choice);
    if (cache != null) {
      var rank = new PlanEntry.Rank(choice.rank(), choice.workspaceBytes(), choice.algorithm());
      cache.store(new PlanEntry(key(product), true, rank));
    }
  }

  private PlanKey key(MatrixProduct product) {
    return PlanKey.of(product, cublasLt, compared);
  }
}
