/**
 * The residual network family, its weights and pictures, the batch pipeline and the command line.
 */
module dev.shortcut.resnet {
  requires static transitive org.jspecify;
  requires com.fasterxml.jackson.core;
  requires com.fasterxml.jackson.databind;
  requires com.fasterxml.jackson.dataformat.csv;
  requires dev.shortcut.bindings;
  requires transitive dev.shortcut.engine;
  requires info.picocli;
  requires java.desktop;
  requires me.tongfei.progressbar;
  requires org.apache.commons.compress;

  exports dev.shortcut.resnet;
  exports dev.shortcut.resnet.batch;
  exports dev.shortcut.resnet.image;
  exports dev.shortcut.resnet.weights;

  opens dev.shortcut.resnet.cli to
      info.picocli;
}
