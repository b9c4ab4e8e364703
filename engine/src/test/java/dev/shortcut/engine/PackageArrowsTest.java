package dev.shortcut.engine;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A model passes through graph, pass, memory, backend and session in this order; so do the arrows.
 */
class PackageArrowsTest {
  private static final List<String> ORDER =
      List.of("graph", "pass", "memory", "backend", "session");
  private static final JavaClasses CLASSES =
      new ClassFileImporter().importPath(Path.of("target", "classes"));

  @ParameterizedTest
  @ValueSource(strings = {"graph", "pass", "memory", "backend"})
  void aPackageDoesNotKnowTheLaterOnes(String name) {
    String[] later =
        ORDER.subList(ORDER.indexOf(name) + 1, ORDER.size()).stream()
            .map(PackageArrowsTest::packages)
            .toArray(String[]::new);
    noClasses()
        .that()
        .resideInAPackage(packages(name))
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(later)
        .check(CLASSES);
  }

  /** Passes are needed: how many bytes cross memory depends on what fusion leaves. */
  @Test
  void costsAreCountedOnGraphsAlone() {
    noClasses()
        .that()
        .resideInAPackage(packages("cost"))
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            Stream.of("memory", "backend", "session")
                .map(PackageArrowsTest::packages)
                .toArray(String[]::new))
        .allowEmptyShould(true)
        .check(CLASSES);
  }

  @Test
  void backendsDoNotKnowEachOther() {
    slices()
        .matching("dev.shortcut.engine.backend.(*)..")
        .should()
        .notDependOnEachOther()
        .check(CLASSES);
  }

  @Test
  void theEngineKnowsNothingOfResNet() {
    noClasses()
        .should()
        .dependOnClassesThat()
        .resideInAPackage("dev.shortcut.resnet..")
        .check(CLASSES);
  }

  @Test
  void onlyBackendsCallNativeCode() {
    noClasses()
        .that()
        .resideOutsideOfPackages(packages("backend.onednn"), packages("backend.cudnn"))
        .should()
        .dependOnClassesThat()
        .belongToAnyOf(Linker.class, SymbolLookup.class, AddressLayout.class)
        .check(CLASSES);
  }

  @Test
  void nothingIsPrinted() {
    NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS.check(CLASSES);
    NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING.check(CLASSES);
  }

  private static String packages(String name) {
    return "dev.shortcut.engine." + name + "..";
  }
}
