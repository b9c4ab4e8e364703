package dev.shortcut.engine.backend.cudnn;

/**
 * An implementation that cuDNN offered for a kernel on one kind of device and that was taken.
 *
 * @param json cuDNN's own text, of which the plan can be made again for a handle
 * @param workspaceBytes scratch space that it needs
 * @param description what was taken and what was passed over, for people
 */
record Plan(String json, long workspaceBytes, String description) {}
