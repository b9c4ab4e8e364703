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
 * other than cuDNN it wants the device to be there. Equal products are chosen for once. Not
 * thread-safe.
 */
final class Products {
  private static final Logger LOG = System.getLogger(Products.class.getName());

  private final CublasLtHandle blas;
  private final Map<MatrixProduct, Choice> choices = new HashMap<>();

  Products(CublasLtHandle blas) {
    this.blas = blas;
  }

  /**
   * What was chosen for a product.
   *
   * @param rank its place among cuBLASLt's suggestions that compute as precisely as asked for, from
   *     0 on
   * @param workspaceBytes scratch space that it needs
   * @param description for people
   */
  record Choice(int rank, long workspaceBytes, String description) {
    private static Choice of(int rank, MatmulPlan plan) {
      return new Choice(
          rank,
          plan.workspaceBytes(),
          "cuBLASLt %s [%s]".formatted(plan.description(), plan.numericalImplementation()));
    }

    /**
     * The algorithm made ready once more, on the same kind of device.
     *
     * @throws CublasException if cuBLASLt changed its mind
     */
    MatmulPlan plan(CublasLtHandle blas, MatrixProduct product) {
      return MatmulPlan.of(blas, product.matmul(), Planner.WORKSPACE_LIMIT, rank);
    }

    Choice describedAs(String text) {
      return new Choice(rank, workspaceBytes, text);
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
      choice = ranked(product, 0);
      choices.put(product, choice);
    }
    return choice;
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

  /** Takes something else for a product from now on. */
  void choose(MatrixProduct product, Choice choice) {
    choices.put(product, choice);
  }
}
