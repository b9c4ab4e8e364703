package dev.shortcut.engine.backend.onednn;

/**
 * What a oneDNN call returns ({@code dnnl_status_t}); constants are in the order of their numbers.
 */
enum OneDnnStatus {
  SUCCESS,
  OUT_OF_MEMORY,
  INVALID_ARGUMENTS,
  UNIMPLEMENTED,
  LAST_IMPL_REACHED,
  RUNTIME_ERROR,
  NOT_REQUIRED,
  INVALID_GRAPH,
  INVALID_GRAPH_OP,
  INVALID_SHAPE,
  INVALID_DATA_TYPE,
  /** A number that oneDNN 3.13 does not have. */
  UNKNOWN;

  static OneDnnStatus of(int code) {
    return code >= 0 && code < UNKNOWN.ordinal() ? values()[code] : UNKNOWN;
  }
}
