/** An inference engine for graphs of layers: passes, memory plan, cost accounting and backends. */
module dev.shortcut.engine {
  // Only the backend jcudnn needs JCuda, whose modules are automatic, and which is optional.
  requires static jcublas;
  requires static jcuda;
  requires static jcudnn;
  requires static transitive org.jspecify;
  requires dev.shortcut.bindings;

  exports dev.shortcut.engine;
  exports dev.shortcut.engine.cost;
  exports dev.shortcut.engine.graph;
}
