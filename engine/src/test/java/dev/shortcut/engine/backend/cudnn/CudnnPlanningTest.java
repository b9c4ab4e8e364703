package dev.shortcut.engine.backend.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.NvidiaLibrary;
import dev.shortcut.engine.EnginePlan;
import dev.shortcut.engine.GpuDescription;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.PlanReport;
import dev.shortcut.engine.PlannedKernel;
import dev.shortcut.engine.PlannedKernel.Kind;
import dev.shortcut.engine.Planning;
import dev.shortcut.engine.Precision;
import dev.shortcut.testing.VendorLibraries;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Nets planned by NVIDIA's cuDNN for GPUs that are not there. */
@Tag("vendor")
class CudnnPlanningTest {
  private static final Options FP16 = Options.defaults().withPrecision(Precision.FP16);

  @BeforeEach
  void useFetchedLibraries() {
    VendorLibraries.library("libcudnn.so.9");
    System.setProperty(NvidiaLibrary.FOLDER_PROPERTY, VendorLibraries.folder().toString());
  }

  private static Planning planning(String gpu, Options options) {
    return Planning.of(EightKernels.logits(), GpuDescription.known(gpu), options);
  }

  @Test
  void everyKernelIsReportedWithWhatComputesIt() throws InterruptedException {
    PlanReport report = planning("h100", FP16).withBatchSizes(List.of(32)).run();
    assertEquals(
        List.of(
            Kind.CONVOLUTION,
            Kind.CONVOLUTION,
            Kind.OWN,
            Kind.CONVOLUTION,
            Kind.POOLING,
            Kind.POOLING,
            Kind.PRODUCT),
        report.kernels().stream().map(PlannedKernel::kind).toList());
    assertEquals(5, report.plans().size());
    for (EnginePlan plan : report.plans().values()) {
      assertTrue(plan.engine() >= 0);
      assertTrue(plan.bytes() > 0);
      assertEquals(EnginePlan.Source.HEURISTICS, plan.source());
    }
    assertNotNull(report.memory());
    assertEquals(List.of(), report.refused());
    assertEquals(List.of(), report.missing());
  }

  @Test
  void severalThreadsPlanWhatOneDoes() throws InterruptedException {
    List<Planning.Progress> progress = new ArrayList<>();
    Planning planning = planning("a100", FP16.withMaxBatch(8));
    PlanReport one = planning.withThreads(1).run();
    PlanReport four = planning.withThreads(4).withProgress(progress::add).run();
    assertEquals(engines(one), engines(four));
    assertEquals(one.memory(), four.memory());
    assertEquals(four.plans().size(), progress.getLast().done());
  }

  private static List<String> engines(PlanReport report) {
    return report.kernels().stream()
        .map(kernel -> kernel.node().name() + kernel.batch() + kernel.implementation())
        .toList();
  }

  @Test
  void whatAGpuCannotDoIsReportedWithTheReason() throws InterruptedException {
    PlanReport report =
        planning("t4", FP16.withPrecision(Precision.BF16)).withBatchSizes(List.of(1)).run();
    assertEquals(3, report.refused().size(), report::toString);
    assertNull(report.memory());
    assertTrue(
        report.refused().getFirst().implementation().contains("conv1"),
        () -> report.refused().toString());
  }

  /** What a folder of plans spares, with cuDNN's own plans. */
  @Test
  void keptPlansServeAnotherDriverAndASliceWithoutAskingForARanking(@TempDir Path folder)
      throws InterruptedException {
    Options kept = FP16.withMaxBatch(2).withPlanCache(folder);
    PlanReport first = planning("h100", kept).run();
    assertEquals(Set.of(EnginePlan.Source.HEURISTICS), sources(first));
    PlanReport second = planning("h100", kept).run();
    assertEquals(Set.of(EnginePlan.Source.CACHED_PLAN), sources(second));
    assertEquals(choices(first), choices(second));
    assertEquals(first.memory(), second.memory());
    GpuDescription h100 = GpuDescription.known("h100");
    for (GpuDescription other :
        List.of(
            h100.withDriver("13.0"),
            GpuDescription.of(
                h100.json()
                    .replace("\"multiProcessorCount\": 132", "\"multiProcessorCount\": 16")))) {
      try (var log = new Logged(PlanCache.class)) {
        Planning planning = Planning.of(EightKernels.logits(), other, kept);
        PlanReport rebuilt = planning.run();
        assertEquals(Set.of(EnginePlan.Source.ENGINE_AND_KNOBS), sources(rebuilt));
        assertEquals(choices(first), choices(rebuilt));
        assertEquals(1, log.lines().size(), log.lines()::toString);
        assertEquals(Set.of(EnginePlan.Source.CACHED_PLAN), sources(planning.run()));
        assertEquals(1, log.lines().size(), log.lines()::toString);
      }
    }
  }

  /** A network's plans are not refused on the strength of what was kept. */
  @Test
  void refusalsThatAreKeptAreDoubtedWhereANetworkHasNoPlanForThem(@TempDir Path folder)
      throws InterruptedException, IOException {
    Planning planning = planning("h100", FP16.withPlanCache(folder)).withBatchSizes(List.of(1));
    PlanReport first = planning.run();
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
      for (Path file : files) {
        PlanKey key = PlanEntry.read(Files.readAllBytes(file)).key();
        var refusal = new PlanEntry.Refusal(Map.of("so it is said", List.of("all")));
        Files.write(file, new PlanEntry(key, false, refusal).bytes());
      }
    }
    PlanReport second = planning.run();
    assertEquals(List.of(), second.refused());
    assertEquals(Set.of(EnginePlan.Source.HEURISTICS), sources(second));
    assertEquals(choices(first), choices(second));
    assertEquals(Set.of(EnginePlan.Source.CACHED_PLAN), sources(planning.run()));
  }

  /** With the same words, but for the convolutions, which cuDNN is asked for again. */
  @Test
  void aRefusalIsKeptWithItsReasons(@TempDir Path folder) throws InterruptedException {
    Planning planning =
        planning("t4", FP16.withPrecision(Precision.BF16).withPlanCache(folder))
            .withBatchSizes(List.of(1));
    List<String> first = implementations(planning.run());
    assertTrue(first.stream().anyMatch(text -> text.startsWith("pool, since ")), first::toString);
    assertEquals(first, implementations(planning.run()));
  }

  private static List<String> implementations(PlanReport report) {
    return report.kernels().stream().map(PlannedKernel::implementation).toList();
  }

  private static Set<EnginePlan.Source> sources(PlanReport report) {
    return report.plans().values().stream().map(EnginePlan::source).collect(Collectors.toSet());
  }

  private static List<String> choices(PlanReport report) {
    return report.plans().values().stream()
        .map(plan -> "%d %s %s".formatted(plan.engine(), plan.knobs(), plan.numericalNotes()))
        .toList();
  }

  @Test
  void aFolderThatCannotBeUsedIsAnErrorOfPlanning(@TempDir Path folder) throws IOException {
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxrwxrwx"));
    Planning planning = planning("h100", FP16.withPlanCache(folder));
    var e = assertThrows(UncheckedIOException.class, planning::run);
    assertTrue(e.getMessage().contains("chmod go-w"), e.getMessage());
  }
}
