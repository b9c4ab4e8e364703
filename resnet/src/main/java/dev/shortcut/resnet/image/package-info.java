/**
 * Pictures as the networks want them: decoded, upright, resized and cropped, equal to what Pillow
 * and torchvision make of the same file.
 *
 * <p>{@link dev.shortcut.resnet.image.Picture#decode(java.nio.file.Path, DecodeOptions)} reads
 * JPEG, PNG, GIF, BMP, TIFF and WebP into 8 bit RGB, and {@link
 * dev.shortcut.resnet.image.Preprocessing} turns that into the square of pixels that a model was
 * trained on. Files are taken to be hostile: dimensions are checked before anything is allocated,
 * and whatever is wrong with a file ends as a {@link dev.shortcut.resnet.image.PictureException}
 * that says what to do about it.
 *
 * <p>Everything here is thread-safe; nothing is written to disk.
 */
@NullMarked
package dev.shortcut.resnet.image;

import org.jspecify.annotations.NullMarked;
