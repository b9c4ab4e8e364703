/**
 * The residual network family, its weights and pictures, the batch pipeline and the command line.
 */
module dev.shortcut.resnet {
  requires static org.jspecify;
  requires transitive dev.shortcut.engine;
}
