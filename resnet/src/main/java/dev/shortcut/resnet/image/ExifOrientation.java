package dev.shortcut.resnet.image;

/** What is done with the orientation that a camera wrote into a picture's EXIF data. */
public enum ExifOrientation {
  /**
   * The picture is turned so that it stands upright, as {@code PIL.ImageOps.exif_transpose} does.
   */
  APPLY,

  /**
   * The pixels stay as they are stored, as in torchvision's data sets. A TIFF is turned all the
   * same: its orientation is a tag of the format itself, and Pillow applies it when it loads the
   * file.
   */
  IGNORE
}
