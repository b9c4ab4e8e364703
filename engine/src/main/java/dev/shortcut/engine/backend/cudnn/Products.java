package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cublas.CublasException;
import dev.shortcut.bindings.cublas.CublasLtHandle;
import dev.shortcut.bindings.cublas.MatmulPlan;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Chooses cuBLASLt's algorithms for matrix products on one device, whose context must be current:
 * other than cuDNN it wants the device to be there. What was chosen on an equal device, or by
 * timing at an earlier start, is taken if cuBLASLt suggests the same once more. Equal products are
 * chosen for once. Not thread-safe.
 */
final class Products {
  private static final Logger LOG = System.getLogger(Products.class.getName());

  private final CublasLtHandle blas;
  private final DeviceKind kind;
  private final Map<MatrixProduct, Choice> choices = new HashMap<>();

  Products(CublasLtHandle blas, DeviceKind kind) {
    this.blas = blas;
    this.kind = kind;
  }

  /**
   * What was chosen for a product.
   *
   * @param rank its place among cuBLASLt's suggestions that compute as precisely as asked for, from
   *     0 on
   * @param workspaceBytes scratch space that it needs
   * @param algorithm what cuBLASLt says that it is
   * @param timing what came of timing; empty where it was not timed
   */
  record Choice(int rank, long workspaceBytes, String algorithm, String timing) {
    private static Choice of(int rank, MatmulPlan plan) {
      return new Choice(
          rank,
          plan.workspaceBytes(),
          "cuBLASLt %s [%s]".formatted(plan.description(), plan.numericalImplementation()),
          "");
    }

    /** Whether it was timed to be the fastest on such a device. */
    boolean timed() {
      return !timing.isEmpty();
    }

    /** For people. */
    String description() {
      return timed() ? algorithm + ", " + timing : algorithm;
    }

    /**
     * The algorithm made ready once more, on the same kind of device.
     *
     * @throws CublasException if cuBLASLt changed its mind
     */
    MatmulPlan plan(CublasLtHandle blas, MatrixProduct product) {
      return MatmulPlan.of(blas, product.matmul(), Planner.WORKSPACE_LIMIT, rank);
    }

    private Choice timedToBe(String remark) {
      return new Choice(rank, workspaceBytes, algorithm, remark);
    }
  }

  /**
   * The best algorithm that computes as precisely as asked for.
   *
   * @throws CublasException if there is none
   */
  Choice choose(MatrixProduct product) {
    Choice choice = choices.get(product);
    if (choice == null) {
      choice =
          kind.chosen(product)
              .filter(known -> isSuggested(product, known))
              .orElseGet(() -> ranked(product, 0));
      kind.taken(product, choice);
      choices.put(product, choice);
    }
    return choice;
  }

  /** Whether cuBLASLt's suggestion of that rank is still what it was. */
  private boolean isSuggested(MatrixProduct product, Choice known) {
    String now;
    try {
      Choice suggested = ranked(product, known.rank());
      if (suggested.algorithm().equals(known.algorithm())
          && suggested.workspaceBytes() == known.workspaceBytes()) {
        return true;
      }
      now = "%s with %,d bytes".formatted(suggested.algorithm(), suggested.workspaceBytes());
    } catch (CublasException e) {
      now = String.valueOf(e.getMessage());
    }
    kind.notTaken(
        product,
        "suggestion %d was %s with %,d bytes, and now: %s"
            .formatted(known.rank(), known.algorithm(), known.workspaceBytes(), now));
    return false;
  }

  /** Whether what is taken for a product was timed on such a device. */
  boolean isTimed(MatrixProduct product) {
    Choice choice = choices.get(product);
    return choice != null && choice.timed();
  }

  /** The first of cuBLASLt's suggestions that compute as precisely as asked for. */
  List<Choice> alternatives(MatrixProduct product, int most) {
    List<Choice> alternatives = new ArrayList<>();
    alternatives.add(ranked(product, 0));
    try {
      while (alternatives.size() < most) {
        alternatives.add(ranked(product, alternatives.size()));
      }
    } catch (CublasException e) {
      LOG.log(
          Level.DEBUG, "{0}: no more than {1}: {2}", product, alternatives.size(), e.getMessage());
    }
    return alternatives;
  }

  private Choice ranked(MatrixProduct product, int rank) {
    try (MatmulPlan plan = MatmulPlan.of(blas, product.matmul(), Planner.WORKSPACE_LIMIT, rank)) {
      return Choice.of(rank, plan);
    }
  }

  /**
   * Takes what was the fastest from now on, also at the next start on such a device.
   *
   * @param remark what came of timing
   */
  void choose(MatrixProduct product, Choice choice, String remark) {
    Choice timed = choice.timedToBe(remark);
    choices.put(product, timed);
    kind.choose(product, timed);
  }
}
