/**
 * What a network costs, counted on the graph as defined, so that fusion cannot change the number
 * that a benchmark divides by: {@link dev.shortcut.engine.cost.CostReport#of} gives multiply-adds,
 * FLOPs, parameters and bytes by layer, block, stage and network, {@link
 * dev.shortcut.engine.cost.Roofline} the speed that a device's peaks allow, and {@link
 * dev.shortcut.engine.cost.Prediction} the time of each kernel that follows from them.
 *
 * <pre>{@code
 * CostReport report = CostReport.of(graph, Precision.FP16);
 * System.out.println(report.total().macs());
 * report.byStage().forEach((stage, cost) -> System.out.println(stage + " " + cost.flops()));
 * }</pre>
 */
@NullMarked
package dev.shortcut.engine.cost;

import org.jspecify.annotations.NullMarked;
