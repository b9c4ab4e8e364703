import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Options;
import dev.shortcut.resnet.BundledPictures;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.resnet.image.Picture;

/** The other way round: the engine computes through JCuda, and the program need not know it. */
public final class JCudaBackend {
  private JCudaBackend() {}

  /** Prints the class of the cat. */
  public static void main(String[] arguments) throws InterruptedException {
    String name = "cat-0001.jpg";
    try (ImageModel model = ImageModel.bundled();
        Engine engine =
            Engine.open(
                model,
                Options.defaults()
                    .withBackend(Options.BackendChoice.JCUDA)
                    .withInput(model.inputFormat()))) {
      Picture picture = model.preprocessing().apply(Picture.decode(BundledPictures.read(name)));
      float[] logits = engine.run(picture.rgb());
      int best = 0;
      for (int c = 1; c < logits.length; c++) {
        best = logits[c] > logits[best] ? c : best;
      }
      System.out.println(name + " " + model.labels().get(best));
    }
  }
}
