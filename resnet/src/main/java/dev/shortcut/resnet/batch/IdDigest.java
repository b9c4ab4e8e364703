package dev.shortcut.resnet.batch;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;

/** Tells in little memory whether two sequences of ids are the same. */
final class IdDigest {
  private final MessageDigest digest = FileInputs.sha256();

  void add(String id) {
    digest.update(id.getBytes(StandardCharsets.UTF_8));
    digest.update((byte) 0);
  }

  /** The digest of all ids added; nothing can be added afterwards. */
  byte[] value() {
    return digest.digest();
  }
}
