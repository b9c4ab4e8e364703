package dev.shortcut.resnet.batch;

/**
 * One of the classes that a network thinks likely.
 *
 * @param index the class, counted from 0 as in the network's output
 * @param label its name
 * @param probability between 0 and 1; all classes together make 1
 */
public record Prediction(int index, String label, float probability) {}
