/**
 * libwebp, the system's decoder of WebP pictures: as much of it as turns one still picture into
 * RGB.
 *
 * <pre>{@code
 * LibWebp webp = LibWebp.load();
 * LibWebp.Size size = webp.size(file, 0, file.length).orElseThrow();
 * byte[] rgb = webp.decodeRgb(file, 0, file.length, size).orElseThrow();
 * }</pre>
 */
@NullMarked
package dev.shortcut.bindings.webp;

import org.jspecify.annotations.NullMarked;
