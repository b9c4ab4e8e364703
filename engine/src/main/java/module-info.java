/** An inference engine for graphs of layers: passes, memory plan, cost accounting and backends. */
module dev.shortcut.engine {
  requires static org.jspecify;
  requires dev.shortcut.bindings;
}
