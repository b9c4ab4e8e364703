package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cublas.CublasLtHandle;
import dev.shortcut.bindings.cublas.MatmulPlan;
import java.util.HashMap;
import java.util.Map;

/**
 * Chooses cuBLASLt's algorithms for matrix products on one device, whose context must be current:
 * other than cuDNN it wants the device to be there. Equal products are chosen for once. Not
 * thread-safe.
 */
final class Products {
  private final CublasLtHandle blas;
  private final Map<MatrixProduct, Choice> choices = new HashMap<>();

  Products(CublasLtHandle blas) {
    this.blas = blas;
  }

  /**
   * What was chosen for a product.
   *
   * @param workspaceBytes scratch space that it needs
   * @param description for people
   */
  record Choice(long workspaceBytes, String description) {}

  /**
   * The best algorithm that computes as precisely as asked for.
   *
   * @throws dev.shortcut.bindings.cublas.CublasException if there is none
   */
  Choice choose(MatrixProduct product) {
    Choice choice = choices.get(product);
    if (choice == null) {
      try (MatmulPlan plan = MatmulPlan.of(blas, product.matmul(), Planner.WORKSPACE_LIMIT)) {
        choice =
            new Choice(
                plan.workspaceBytes(),
                "cuBLASLt %s [%s]".formatted(plan.description(), plan.numericalImplementation()));
      }
      choices.put(product, choice);
    }
    return choice;
  }
}
