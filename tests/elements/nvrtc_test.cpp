#include <multibuffer/elements.hpp>

#include <gtest/gtest.h>
#include <nvrtc.h>

#include <array>
#include <string>
#include <vector>

// The views compiled by NVRTC, which has no standard library and is given no folder but the
// library's: what CuPy and cuda.core compile kernels with.

namespace multibuffer {
namespace {

constexpr const char* source = R"(
#include <multibuffer/element_view.hpp>

using View = multibuffer::ElementView<const float, 2>;
static_assert(sizeof(View) == VIEW_BYTES, "as on the host");
static_assert(sizeof(multibuffer::ElementView<const double, 3, 2>) == DEEP_VIEW_BYTES, "likewise");
static_assert(sizeof(multibuffer::RowsView<const float>) == ROWS_BYTES, "likewise");

extern "C" __global__ void sum_rows(View view, float* sums) {
  float sum = 0;
  for (const float element : view.row(blockIdx.x)) sum += element;
  for (long long j = 0; j < view.extent(1); ++j) sum += view(blockIdx.x, j) + view.at_linear(j);
  sums[blockIdx.x] = sum;
}

extern "C" __global__ void sum_ragged(multibuffer::RowsView<const float> rows, float* sums) {
  float sum = 0;
  for (const auto row : rows)
    for (const float element : row) sum += element;
  *sums = sum;
}
)";

/// Compiles `source`; returns the PTX, or the log with `failed`.
struct Compiled {
  nvrtcResult result;
  std::string log, ptx;
};
Compiled compile(std::vector<std::string> options) {
  nvrtcProgram program = nullptr;
  EXPECT_EQ(nvrtcCreateProgram(&program, source, "kernels.cu", 0, nullptr, nullptr), NVRTC_SUCCESS);
  options.push_back("-I" MULTIBUFFER_INCLUDE);
  options.push_back("-DVIEW_BYTES=" + std::to_string(sizeof(ElementView<const float, 2>)));
  options.push_back("-DDEEP_VIEW_BYTES=" + std::to_string(sizeof(ElementView<const double, 3, 2>)));
  options.push_back("-DROWS_BYTES=" + std::to_string(sizeof(RowsView<const float>)));
  std::vector<const char*> words;
  for (const std::string& option : options) words.push_back(option.c_str());
  Compiled compiled{
      nvrtcCompileProgram(program, static_cast<int>(words.size()), words.data()), {}, {}};
  std::size_t size = 0;
  nvrtcGetProgramLogSize(program, &size);
  compiled.log.resize(size);
  nvrtcGetProgramLog(program, compiled.log.data());
  if (compiled.result == NVRTC_SUCCESS) {
    nvrtcGetPTXSize(program, &size);
    compiled.ptx.resize(size);
    nvrtcGetPTX(program, compiled.ptx.data());
  }
  nvrtcDestroyProgram(&program);
  return compiled;
}

TEST(Nvrtc, CompilesViewsWithoutAnyOtherHeader) {
  for (const char* const architecture : {"75", "80", "90"}) {
    for (const char* const standard : {"17", "20"}) {
      const Compiled compiled = compile({std::string("--gpu-architecture=compute_") + architecture,
                                         std::string("--std=c++") + standard});
      ASSERT_EQ(compiled.result, NVRTC_SUCCESS) << compiled.log;
      EXPECT_NE(compiled.ptx.find("ld.global"), std::string::npos);
      EXPECT_EQ(compiled.ptx.find(".local"), std::string::npos);
    }
  }
}

TEST(Nvrtc, CompilesCheckedViews) {
  const Compiled compiled = compile({"--std=c++17", "-DMULTIBUFFER_CHECKED"});
  ASSERT_EQ(compiled.result, NVRTC_SUCCESS) << compiled.log;
  EXPECT_NE(compiled.ptx.find("trap"), std::string::npos);
  EXPECT_EQ(compile({"--std=c++17"}).ptx.find("trap"), std::string::npos);
}

}  // namespace
}  // namespace multibuffer
