package dev.shortcut.bindings.cudnn;

import dev.shortcut.bindings.library.Closer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Which engines cuDNN proposes for a graph. */
public final class Heuristics {
  private Heuristics() {}

  /**
   * Candidates, best first, for a device that is described. Some of them fail when a plan is made
   * of them, which is normal: the next one is taken.
   *
   * @param owner gets the candidates
   * @throws CudnnException if cuDNN has nothing to propose, or failed
   */
  public static List<EngineConfig> candidates(
      Cudnn cudnn,
      Closer owner,
      OperationGraph graph,
      HeuristicMode mode,
      DeviceProperties properties) {
    return query(cudnn, owner, graph, mode, properties);
  }

  /**
   * Candidates, best first, for the device of the handle that the graph was made with.
   *
   * @param owner gets the candidates
   * @throws CudnnException if cuDNN has nothing to propose, or failed
   */
  public static List<EngineConfig> candidates(
      Cudnn cudnn, Closer owner, OperationGraph graph, HeuristicMode mode) {
    return query(cudnn, owner, graph, mode, null);
  }

  private static List<EngineConfig> query(
      Cudnn cudnn,
      Closer owner,
      OperationGraph graph,
      HeuristicMode mode,
      @Nullable DeviceProperties properties) {
    try (var local = new Closer()) {
      Descriptor heuristics =
          Descriptor.create(cudnn, local, CudnnConstants.BACKEND_ENGINEHEUR_DESCRIPTOR)
              .setDescriptors(CudnnConstants.ATTR_ENGINEHEUR_OPERATION_GRAPH, graph.descriptor())
              .setInts(
                  CudnnConstants.ATTR_ENGINEHEUR_MODE, CudnnConstants.TYPE_HEUR_MODE, mode.code());
      if (properties != null) {
        heuristics.setDescriptors(
            CudnnConstants.ATTR_ENGINEHEUR_DEVICEPROP, properties.descriptor());
      }
      heuristics.complete();
      return heuristics
          .getDescriptors(
              cudnn,
              owner,
              CudnnConstants.ATTR_ENGINEHEUR_RESULTS,
              CudnnConstants.BACKEND_ENGINECFG_DESCRIPTOR,
              heuristics.countDescriptors(CudnnConstants.ATTR_ENGINEHEUR_RESULTS))
          .stream()
          .map(descriptor -> EngineConfig.read(cudnn, descriptor))
          .toList();
    }
  }
}
