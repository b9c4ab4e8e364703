package dev.shortcut.bindings.nvrtc;

/** What a call of NVRTC returns ({@code nvrtcResult}), in the order of C's numbers. */
public enum NvrtcStatus {
  /** Done. */
  SUCCESS,
  /** Too little memory on the host. */
  OUT_OF_MEMORY,
  /** The program could not be created. */
  PROGRAM_CREATION_FAILURE,
  /** An argument is wrong. */
  INVALID_INPUT,
  /** The program is not, or no longer, valid. */
  INVALID_PROGRAM,
  /** An option is unknown or malformed. */
  INVALID_OPTION,
  /** The source has errors, which the log names. */
  COMPILATION,
  /** The library of built-in functions, libnvrtc-builtins, cannot be opened. */
  BUILTIN_OPERATION_FAILURE,
  /** A name was added after the compilation. */
  NO_NAME_EXPRESSIONS_AFTER_COMPILATION,
  /** A name was asked for before the compilation. */
  NO_LOWERED_NAMES_BEFORE_COMPILATION,
  /** A name is none of the program's. */
  NAME_EXPRESSION_NOT_VALID,
  /** A mistake in NVRTC. */
  INTERNAL_ERROR,
  /** The file of times could not be written. */
  TIME_FILE_WRITE_FAILED,
  /** No precompiled header was asked for. */
  NO_PCH_CREATE_ATTEMPTED,
  /** Too little memory for a precompiled header. */
  PCH_CREATE_HEAP_EXHAUSTED,
  /** A precompiled header could not be made. */
  PCH_CREATE,
  /** The compilation was stopped. */
  CANCELLED,
  /** A number that NVRTC 12.9 does not have. */
  UNKNOWN;

  static NvrtcStatus of(int code) {
    return code >= 0 && code < UNKNOWN.ordinal() ? values()[code] : UNKNOWN;
  }
}
