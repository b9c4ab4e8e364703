package dev.shortcut.benchmarks;

import dev.shortcut.resnet.image.Picture;
import dev.shortcut.resnet.image.Preprocessing;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriteParam;
import javax.imageio.ImageWriter;
import javax.imageio.stream.MemoryCacheImageOutputStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Pictures per second and thread on their way to a network: a JPEG (4:2:0, quality 0.9) decoded,
 * and a decoded picture resized to 256 and cropped to 224. Add {@code -t max} for all processors.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class PictureBenchmark {
  /** Pixels; the first is the usual size in ImageNet. */
  @Param({"500x375", "4000x3000"})
  public String size = "";

  private byte[] jpeg;
  private Picture picture;

  /** Makes a picture of soft colours, hard edges and a little noise, the same each time. */
  @Setup
  public void encode() throws IOException {
    String[] sides = size.split("x");
    int width = Integer.parseInt(sides[0]);
    int height = Integer.parseInt(sides[1]);
    Random random = new Random(1);
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        int edge = ((x / 97) ^ (y / 61)) % 5 * 12;
        int red = (int) (110 + 60 * Math.sin(x / 40.0) + edge + 4 * random.nextGaussian());
        int green = (int) (110 + 60 * Math.cos(y / 50.0) + edge + 4 * random.nextGaussian());
        int blue = (int) (110 + 60 * Math.sin((x + y) / 60.0) + edge + 4 * random.nextGaussian());
        image.setRGB(x, y, sample(red) << 16 | sample(green) << 8 | sample(blue));
      }
    }
    jpeg = jpeg(image);
    picture = Picture.decode(jpeg);
  }

  /** JPEG to RGB. */
  @Benchmark
  public Picture decode() {
    return Picture.decode(jpeg);
  }

  /** RGB to the pixels that a network takes. */
  @Benchmark
  public Picture resizeAndCrop() {
    return Preprocessing.IMAGENET.apply(picture);
  }

  private static int sample(int value) {
    return Math.clamp(value, 0, 255);
  }

  private static byte[] jpeg(BufferedImage image) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    ImageWriter writer = ImageIO.getImageWritersByFormatName("jpeg").next();
    try (MemoryCacheImageOutputStream out = new MemoryCacheImageOutputStream(bytes)) {
      ImageWriteParam param = writer.getDefaultWriteParam();
      param.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
      param.setCompressionQuality(0.9f);
      writer.setOutput(out);
      writer.write(null, new IIOImage(image, null, null), param);
    } finally {
      writer.dispose();
    }
    return bytes.toByteArray();
  }
}
