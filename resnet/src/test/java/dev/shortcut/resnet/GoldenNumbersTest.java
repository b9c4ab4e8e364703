package dev.shortcut.resnet;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.shortcut.engine.Precision;
import dev.shortcut.engine.cost.Cost;
import dev.shortcut.engine.cost.CostReport;
import dev.shortcut.engine.cost.Roofline;
import dev.shortcut.engine.cost.Traffic;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Numbers that are known from elsewhere: multiply-adds and parameters of He et al. 2015 and of
 * torchvision, and traffic worked out apart. Where only rounded figures are known, as many digits
 * are compared.
 */
class GoldenNumbersTest {
  private static Cost cost(String name, Precision precision) {
    return CostReport.of(Architecture.parse(name).graph(), precision).total();
  }

  private static Cost cost(String name) {
    return cost(name, Precision.FP16);
  }

  private static String rounded(int digits, double value) {
    return String.format(Locale.ROOT, "%." + digits + "f", value);
  }

  @ParameterizedTest
  @CsvSource({
    "resnet18, 1814073344", "resnet34, 3663761408", "resnet50, 4089184256",
    "resnet101, 7801405440", "resnet152, 11513626624", "resnet18-v1, 1814073344",
    "resnet34-v1, 3663761408", "resnet50-v1, 3857973248", "resnet101-v1, 7570194432",
    "resnet152-v1, 11282415616"
  })
  void multiplyAdds(String name, long macs) {
    assertEquals(macs, cost(name).macs());
    assertEquals(2 * macs, cost(name).flops());
  }

  @ParameterizedTest
  @CsvSource({
    "resnet18, 11689512, 11684712, 20, 68, 23",
    "resnet34, 21797672, 21789160, 36, 124, 39",
    "resnet50, 25557032, 25530472, 53, 174, 56",
    "resnet101, 44549160, 44496488, 104, 344, 107",
    "resnet152, 60192808, 60117096, 155, 514, 158"
  })
  void parametersAndKernels(
      String name, long parameters, long folded, long convolutions, int kernels, int fused) {
    CostReport report = CostReport.of(Architecture.parse(name).graph(), Precision.FP32);
    Cost cost = report.total();
    assertEquals(parameters, cost.parameters());
    assertEquals(folded, cost.foldedParameters());
    assertEquals(
        convolutions,
        report.layers().stream().filter(l -> l.cost().convolutionOutputs() > 0).count());
    assertEquals(kernels, cost.kernels());
    assertEquals(fused, cost.fusedKernels());
  }

  @ParameterizedTest
  @CsvSource({"resnet18, A, 1.795", "resnet34, A, 3.644", "resnet34, B, 3.664"})
  void multiplyAddsOfShortcutOptions(String name, Shortcut shortcut, String billions) {
    Cost cost =
        CostReport.of(Architecture.parse(name).withShortcut(shortcut).graph(), Precision.FP32)
            .total();
    assertEquals(billions, rounded(3, cost.macs() / 1e9));
  }

  @Test
  void aPlainNetworkCostsWhatItsTwinWithOptionACosts() {
    Architecture resnet = Architecture.parse("resnet34").withShortcut(Shortcut.A);
    Cost twin = CostReport.of(resnet.graph(), Precision.FP32).total();
    assertEquals(twin.macs(), cost("plain34").macs());
    assertEquals(twin.parameters(), cost("plain34").parameters());
  }

  @ParameterizedTest
  @CsvSource({
    "conv1, 2.9",
    "conv2_x, 16.3",
    "conv3_x, 25.1",
    "conv4_x, 35.8",
    "conv5_x, 19.8",
    "fc, 0.05"
  })
  void sharesOfTheWorkOfResNet50(String stage, String percent) {
    CostReport report = CostReport.of(Architecture.parse("resnet50").graph(), Precision.FP32);
    long macs = report.byStage().getOrDefault(stage, Cost.NOTHING).macs();
    int digits = percent.length() - percent.indexOf('.') - 1;
    assertEquals(percent, rounded(digits, 100.0 * macs / report.total().macs()));
  }

  @ParameterizedTest
  @CsvSource({
    "resnet18, 34.6, 12.4, 4.1, 23.4, 2483712",
    "resnet34, 53.4, 18.6, 6.6, 43.6, 3738112",
    "resnet50, 159.7, 54.7, 23.2, 51.1, 11113984",
    "resnet101, 241.6, 82.0, 36.8, 89.0, 16231936",
    "resnet152, 342.7, 115.7, 53.7, 120.2, 22554112"
  })
  void megabytesInHalfPrecisionAndConvolutionOutputs(
      String name, String unfused, String fused, String block, String weights, long outputs) {
    Cost cost = cost(name, Precision.FP16);
    assertEquals(unfused, rounded(1, cost.activationBytes(Traffic.UNFUSED) / 1e6));
    assertEquals(fused, rounded(1, cost.activationBytes(Traffic.FUSED) / 1e6));
    assertEquals(block, rounded(1, cost.activationBytes(Traffic.BLOCK) / 1e6));
    assertEquals(weights, rounded(1, cost.weightBytes() / 1e6));
    assertEquals(outputs, cost.convolutionOutputs());
    Cost half = cost(name, Precision.INT8);
    assertEquals(cost.fusedBytes(), 2 * half.fusedBytes());
    assertEquals(cost.blockBytes(), 2 * half.blockBytes());
  }

  @ParameterizedTest
  @CsvSource({
    "resnet20, 0.27",
    "resnet32, 0.46",
    "resnet44, 0.66",
    "resnet56, 0.85",
    "resnet110, 1.7",
    "resnet1202, 19.4"
  })
  void millionsOfParametersOfTheSmallNetworks(String name, String millions) {
    int digits = millions.length() - millions.indexOf('.') - 1;
    assertEquals(millions, rounded(digits, cost(name).parameters() / 1e6));
  }

  /** Peak FLOP/s in fp16 and OP/s in int8, peak bytes/s; ResNet-50, batches of 128. */
  @ParameterizedTest
  @CsvSource({
    "H100 SXM, 990e12, 1979e12, 3.35e12, 54165, 108319",
    "A100, 312e12, 624e12, 2.0e12, 26040, 52080",
    "L4, 121e12, 242e12, 0.30e12, 5100, 10200"
  })
  void ceilingsInImagesPerSecond(
      String device, double fp16, double int8, double bytes, long halfs, long integers) {
    CostReport half = CostReport.of(Architecture.parse("resnet50").graph(), Precision.FP16);
    CostReport integer = CostReport.of(Architecture.parse("resnet50").graph(), Precision.INT8);
    assertEquals(
        halfs,
        Math.round(new Roofline(fp16, bytes).imagesPerSecond(half, Traffic.FUSED, 128)),
        device);
    assertEquals(
        integers,
        Math.round(new Roofline(int8, bytes).imagesPerSecond(integer, Traffic.FUSED, 128)),
        device);
  }
}
