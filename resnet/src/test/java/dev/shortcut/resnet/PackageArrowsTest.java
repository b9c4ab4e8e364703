package dev.shortcut.resnet;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.GeneralCodingRules.ACCESS_STANDARD_STREAMS;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/**
 * The command line calls the batch pipeline, the pipeline calls the rest, and never the other way.
 */
class PackageArrowsTest {
  private static final String ROOT = "dev.shortcut.resnet";
  private static final JavaClasses CLASSES =
      new ClassFileImporter().importPath(Path.of("target", "classes"));

  @Test
  void nothingCallsTheCommandLine() {
    noClasses()
        .that()
        .resideOutsideOfPackage(ROOT + ".cli..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage(ROOT + ".cli..")
        .check(CLASSES);
  }

  @Test
  void onlyTheCommandLineCallsTheBatchPipeline() {
    noClasses()
        .that()
        .resideOutsideOfPackages(ROOT + ".cli..", ROOT + ".batch..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage(ROOT + ".batch..")
        .check(CLASSES);
  }

  @Test
  void weightsAndPicturesDoNotKnowEachOther() {
    noClasses()
        .that()
        .resideInAPackage(ROOT + ".weights..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage(ROOT + ".image..")
        .check(CLASSES);
    noClasses()
        .that()
        .resideInAPackage(ROOT + ".image..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage(ROOT + ".weights..")
        .allowEmptyShould(true)
        .check(CLASSES);
  }

  @Test
  void theFamilyKnowsNothingOfCudaOrNativeCode() {
    noClasses()
        .should()
        .dependOnClassesThat()
        .belongToAnyOf(Linker.class, SymbolLookup.class)
        .orShould()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "dev.shortcut.bindings.cuda..",
            "dev.shortcut.bindings.cudnn..",
            "dev.shortcut.engine.backend..")
        .check(CLASSES);
  }

  /** Since a process must not end while one opens, which one place takes care of. */
  @Test
  void theCommandLineOpensEnginesInOnePlace() {
    noClasses()
        .that()
        .resideInAPackage(ROOT + ".cli..")
        .and()
        .doNotHaveFullyQualifiedName(ROOT + ".cli.OpenEngine")
        .should()
        .callMethod(Engine.class, "open", Model.class, Options.class)
        .check(CLASSES);
  }

  @Test
  void onlyTheCommandLinePrints() {
    noClasses()
        .that()
        .resideOutsideOfPackage(ROOT + ".cli..")
        .should(ACCESS_STANDARD_STREAMS)
        .check(CLASSES);
    NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING.check(CLASSES);
  }
}
