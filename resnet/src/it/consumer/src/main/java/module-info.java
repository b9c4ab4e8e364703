module consumer {
  requires dev.shortcut.resnet;
}
