// A part of cuDNN that holds nothing.
