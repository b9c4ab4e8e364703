package dev.shortcut.bindings.cuda;

/**
 * The memory of a device.
 *
 * @param free bytes that can be allocated by this process
 * @param total bytes that the device has
 */
public record MemoryInfo(long free, long total) {}
