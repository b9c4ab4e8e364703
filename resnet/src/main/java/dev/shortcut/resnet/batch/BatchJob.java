package dev.shortcut.resnet.batch;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Options;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.resnet.image.DecodeOptions;
import dev.shortcut.resnet.image.Picture;
import dev.shortcut.resnet.image.Preprocessing;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/**
 * A description of a job that runs many pictures through one model: made once, by one thread, and
 * then started.
 *
 * <pre>{@code
 * try (ImageModel model = ImageModel.bundled();
 *     Engine engine = Engine.open(model, Options.defaults().withInput(model.inputFormat()))) {
 *   Job job = BatchJob.classify(engine, model, 5)
 *       .inputs(Inputs.files(folder))
 *       .output(Rows.jsonLines(file).resume())
 *       .start();
 *   Summary summary = job.join();
 * }
 * }</pre>
 *
 * <p>The engines must stay open until the job has ended. They may be used by others meanwhile.
 */
public final class BatchJob {
  private final List<Engine> engines;
  private final ImageModel model;
  private final RowKind kind;
  private @Nullable Inputs inputs;
  private @Nullable Rows output;
  private int inFlight;
  private int workers = Runtime.getRuntime().availableProcessors();
  private DecodeOptions decoding = DecodeOptions.DEFAULT;
  private Progress.Listener listener = _ -> {};

  private BatchJob(List<Engine> engines, ImageModel model, RowKind kind) {
    this.engines = List.copyOf(engines);
    this.model = model;
    this.kind = kind;
    Engine first = engines.getFirst();
    int slots = 0;
    for (Engine engine : engines) {
      slots += engine.options().slots();
      if (!engine.options().input().equals(model.inputFormat())) {
        throw new IllegalArgumentException(
            "the engine takes %s, but pictures for %s are %s; open it with Options.withInput(model.inputFormat())"
                .formatted(engine.options().input(), model, model.inputFormat()));
      }
      if (!engine.inputShape().equals(model.graph().input().shape())
          || !engine.options().equals(first.options())) {
        throw new IllegalArgumentException(
            "all engines of a job must have the same model and options");
      }
    }
    // One batch for each slot to run, one for each to be decoded meanwhile, one that is being
    // written.
    inFlight = (2 * slots + 1) * first.options().maxBatch();
  }

  /**
   * Labels: each row has the {@code top} likeliest classes.
   *
   * @param engine opened with the model and its input format; its output is {@code LOGITS}, {@code
   *     PROBABILITIES} or {@code TOP_K} of as many classes
   * @param top how many classes, cut to as many as there are
   */
  public static BatchJob classify(Engine engine, ImageModel model, int top) {
    return classify(List.of(engine), model, top);
  }

  /**
   * Labels from several engines, such as one for each device; all opened with the same model and
   * options.
   */
  public static BatchJob classify(List<Engine> engines, ImageModel model, int top) {
    if (engines.getFirst().options().output() == Options.Output.FEATURES) {
      throw new IllegalArgumentException(
          "features are no labels: open the engine for logits or probabilities");
    }
    if (top < 1) {
      throw new IllegalArgumentException("there must be at least one label in a row, not " + top);
    }
    int count = Math.min(top, model.labels().size());
    Options options = engines.getFirst().options();
    if (options.output() == Options.Output.TOP_K && options.topK() < count) {
      throw new IllegalArgumentException(
          "rows of %d labels were asked for, but the engine was opened for the likeliest %d"
              .formatted(count, options.topK()));
    }
    return new BatchJob(engines, model, new RowKind.Top(count));
  }

  /**
   * Vectors: each row has everything that the engine puts out, features where it was opened for
   * {@code FEATURES}.
   *
   * @param engine opened with the model and its input format
   */
  public static BatchJob embed(Engine engine, ImageModel model) {
    return embed(List.of(engine), model);
  }

  /** Vectors from several engines; all opened with the same model and options. */
  public static BatchJob embed(List<Engine> engines, ImageModel model) {
    Engine first = engines.getFirst();
    String name = first.options().output().name().toLowerCase(Locale.ROOT);
    return new BatchJob(engines, model, new RowKind.Values(name, first.outputElements()));
  }

  /** Where the pictures come from; must be given. */
  public BatchJob inputs(Inputs pictures) {
    inputs = pictures;
    return this;
  }

  /** Where the rows go; must be given. */
  public BatchJob output(Rows rows) {
    output = rows;
    return this;
  }

  /**
   * How many pictures may be between the source and the output at most; by default two batches for
   * each slot and one more. Batches become smaller where fewer than two of them fit.
   */
  public BatchJob inFlight(int pictures) {
    if (pictures < 1) {
      throw new IllegalArgumentException("at least one picture must be in flight, not " + pictures);
    }
    inFlight = pictures;
    return this;
  }

  /** How many threads decode pictures; as many as there are processors by default. */
  public BatchJob workers(int threads) {
    if (threads < 1) {
      throw new IllegalArgumentException("at least one thread must decode, not " + threads);
    }
    workers = threads;
    return this;
  }

  /** How pictures are decoded, and how large they may be. */
  public BatchJob decoding(DecodeOptions options) {
    decoding = options;
    return this;
  }

  /** Who is told after each batch. */
  public BatchJob onProgress(Progress.Listener newListener) {
    listener = newListener;
    return this;
  }

  /**
   * Opens the output, finds out how many pictures there are where the source can tell, and starts
   * the job.
   *
   * @throws IllegalStateException if inputs or output were not given
   * @throws InputException if the source cannot be used or has no pictures
   * @throws ResumeException if an unfinished output is in the way or does not fit
   * @throws java.io.UncheckedIOException if the output cannot be written
   */
  public Job start() {
    if (inputs == null || output == null) {
      throw new IllegalStateException("a job needs inputs(...) and output(...)");
    }
    Optional<Inputs.Survey> survey = inputs.survey();
    if (survey.isPresent() && survey.get().count() == 0) {
      throw new InputException(
          "there are no pictures in %s; files that end with %s are looked for"
              .formatted(inputs, FileInputs.extensions()));
    }
    Engine first = engines.getFirst();
    int batch = Math.min(first.options().maxBatch(), Math.max(1, inFlight / 2));
    List<Network> networks = new ArrayList<>();
    for (Engine engine : engines) {
      for (int slot = 0; slot < engine.options().slots(); slot++) {
        networks.add(engine::run);
      }
    }
    var plan =
        new Job.Plan(
            networks,
            reader(model.preprocessing(), decoding),
            first.inputBytes(),
            first.outputElements(),
            batch,
            inFlight / batch,
            workers,
            rows(first.options().output()),
            survey.map(s -> OptionalLong.of(s.count())).orElse(OptionalLong.empty()));
    return Job.start(plan, inputs, output.open(kind, manifest(batch, survey)), listener);
  }

  private static PictureReader reader(Preprocessing preprocessing, DecodeOptions decoding) {
    return (encoded, target) ->
        preprocessing.applyInto(Picture.decode(encoded, decoding), target, 0);
  }

  private BiFunction<String, float[], Row> rows(Options.Output values) {
    return switch (kind) {
      case RowKind.Values _ -> Row.Vector::new;
      case RowKind.Top top -> {
        boolean logits = values == Options.Output.LOGITS;
        List<String> labels = model.labels();
        yield values == Options.Output.TOP_K
            ? (id, ranked) ->
                new Row.Classified(id, TopClasses.ofRanked(ranked, labels, top.count()))
            : (id, scores) ->
                new Row.Classified(id, TopClasses.of(scores, logits, labels, top.count()));
      }
    };
  }

  private Manifest manifest(int batch, Optional<Inputs.Survey> survey) {
    Engine first = engines.getFirst();
    SequencedMap<String, String> facts = new LinkedHashMap<>();
    facts.put("kind", kind.toString());
    facts.put("model", model.toString());
    facts.put("model fingerprint", model.fingerprint());
    facts.put("backend", first.backend());
    facts.put("precision", first.options().precision().toString());
    facts.put("threads", String.valueOf(first.options().threads()));
    facts.put("batch", String.valueOf(batch));
    facts.put("decoding", decoding.toString());
    survey.ifPresent(known -> {
      facts.put("inputs", String.valueOf(known.count()));
      facts.put("inputs fingerprint", known.fingerprint());
    });
    return new Manifest(facts);
  }
}
