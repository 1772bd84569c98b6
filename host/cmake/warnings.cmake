# Presets for development make warnings errors (CMAKE_COMPILE_WARNING_AS_ERROR); a user's build never fails for one.
add_library(multibuffer_warnings INTERFACE)
target_compile_options(multibuffer_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wconversion;-Wsign-conversion>
  # GCC 12 takes string concatenation for overlapping copies (GCC bug 105651).
  $<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
  # nvcc's generated host code is neither pedantic nor free of conversions.
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>)
