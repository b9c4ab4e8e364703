/**
 * Many pictures through one network: sources, decoding on workers, batches, and rows in the order
 * of the inputs.
 *
 * <pre>{@code
 * Job job = BatchJob.classify(engine, model, 5)
 *     .inputs(Inputs.files(folder))
 *     .output(Rows.jsonLines(file).resume())
 *     .start();
 * Summary summary = job.join();
 * }</pre>
 *
 * <p>Memory is bounded whatever the number of inputs; a bad picture becomes a row that says why and
 * costs its neighbours nothing; what has been written survives a kill and is gone on with.
 */
@NullMarked
package dev.shortcut.resnet.batch;

import org.jspecify.annotations.NullMarked;
