package dev.shortcut.resnet.weights;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.SeekableByteChannel;

/**
 * Reads a memory segment as if it were a file, for libraries that want one, and no more of it than
 * a budget allows: what a library builds in memory grows with what it has read, so this bounds it.
 */
final class SegmentChannel implements SeekableByteChannel {
  private final MemorySegment segment;
  private long position;
  private long budget;

  /**
   * Begins at the segment's start.
   *
   * @param budget bytes that may be read in total
   */
  SegmentChannel(MemorySegment segment, long budget) {
    this.segment = segment;
    this.budget = budget;
  }

  @Override
  public int read(ByteBuffer target) throws IOException {
    long left = segment.byteSize() - position;
    if (left <= 0) {
      return -1;
    }
    int count = (int) Math.min(left, target.remaining());
    budget -= count;
    if (budget < 0) {
      throw new IOException("its directory is larger than any network's");
    }
    // asByteBuffer takes an int's worth at most, so cut the piece out first.
    target.put(segment.asSlice(position, count).asByteBuffer());
    position += count;
    return count;
  }

  @Override
  public int write(ByteBuffer source) {
    throw new NonWritableChannelException();
  }

  @Override
  public long position() {
    return position;
  }

  @Override
  public SeekableByteChannel position(long newPosition) throws IOException {
    if (newPosition < 0) {
      throw new IOException("negative position " + newPosition);
    }
    position = newPosition;
    return this;
  }

  @Override
  public long size() {
    return segment.byteSize();
  }

  @Override
  public SeekableByteChannel truncate(long size) {
    throw new NonWritableChannelException();
  }

  @Override
  public boolean isOpen() {
    return true;
  }

  @Override
  public void close() {}
}
