package dev.shortcut.resnet.batch;

import java.util.Collections;
import java.util.Iterator;
import java.util.NoSuchElementException;

/** Opens each source when the one before it has ended. */
final class ConcatenatedIterator<T> implements Iterator<T> {
  private final Iterator<Iterable<T>> sources;
  private Iterator<T> current = Collections.emptyIterator();

  ConcatenatedIterator(Iterator<Iterable<T>> sources) {
    this.sources = sources;
  }

  @Override
  public boolean hasNext() {
    while (!current.hasNext() && sources.hasNext()) {
      current = sources.next().iterator();
    }
    return current.hasNext();
  }

  @Override
  public T next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    return current.next();
  }
}
