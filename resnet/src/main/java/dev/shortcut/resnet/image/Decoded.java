package dev.shortcut.resnet.image;

/**
 * What a decoder returns: the pixels as stored, and how they have to be turned to stand upright.
 */
record Decoded(Picture picture, Orientation orientation) {}
