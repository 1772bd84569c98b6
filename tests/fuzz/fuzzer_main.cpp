#include "tests/fuzz/targets.hpp"

#include <cstddef>

// What libFuzzer calls. CMake compiles this file once for each target.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  multibuffer::fuzz::MULTIBUFFER_FUZZ_TARGET({data, size});
  return 0;
}
