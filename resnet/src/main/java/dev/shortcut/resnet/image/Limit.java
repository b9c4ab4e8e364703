package dev.shortcut.resnet.image;

/**
 * The bound on a picture's size, checked against its header before anything is allocated for it.
 */
record Limit(long maxPixels) {
  void check(long width, long height) throws UndecodableException {
    if (width < 1 || height < 1) {
      throw new UndecodableException(
          "its header says %d x %d pixels; the file is damaged".formatted(width, height));
    }
    // Sides are 32 bit numbers in every format: no overflow.
    if (width > Integer.MAX_VALUE || height > Integer.MAX_VALUE || width * height > maxPixels) {
      throw new UndecodableException(
          "its header says %d x %d pixels, more than the limit of %,d; raise the limit if that is true"
              .formatted(width, height, maxPixels));
    }
  }
}
