// Kernels that read through views, whose code element_code_test.sh checks. Compiled as users
// compile: without --expt-relaxed-constexpr.

#include <multibuffer/cuda/mdspan.hpp>
#include <multibuffer/element_iterator.hpp>
#include <multibuffer/element_view.hpp>

#include <cstdint>

using multibuffer::ElementView;

extern "C" __global__ void sum_row(ElementView<const float, 2> view, float* sums) {
  float sum = 0;
  for (const float element : view.row(blockIdx.x)) sum += element;
  sums[blockIdx.x] = sum;
}

// What is stored may be a table, for all that the compiler knows.
extern "C" __global__ void copy_row(ElementView<const float, 2> view, float* out) {
  const auto row = view.row(blockIdx.x);
  for (std::int64_t i = threadIdx.x; i < row.size(); i += blockDim.x) out[i] = row[i];
}

extern "C" __global__ void one_element(ElementView<const float, 2> view, float* out) {
  out[threadIdx.x] = view(blockIdx.x, threadIdx.x);
}

extern "C" __global__ void deep_element(ElementView<const double, 3, 2> view, double* out) {
  out[threadIdx.x] = view(blockIdx.y, blockIdx.x, threadIdx.x);
}

extern "C" __global__ void dense_element(ElementView<const float, 2, 0> view, float* out) {
  out[threadIdx.x] = view(blockIdx.x, threadIdx.x);
}

extern "C" __global__ void ragged_row(multibuffer::RowsView<const float> rows, float* sums) {
  float sum = 0;
  for (const float element : rows[blockIdx.x]) sum += element;
  sums[blockIdx.x] = sum;
}

extern "C" __global__ void by_iterator(multibuffer::DeviceElementIterator<const float, 2, 1> begin,
                                       float* out) {
  out[threadIdx.x] = begin[static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x];
}

extern "C" __global__ void mdspan_row(multibuffer::cuda::ElementSpan<const float, 2> span,
                                      float* out) {
  const auto row = multibuffer::cuda::row(span, blockIdx.x);
  for (std::int64_t i = threadIdx.x; i < row.size(); i += blockDim.x) out[i] = row[i];
}

extern "C" __global__ void mdspan_element(multibuffer::cuda::ElementSpan<const float, 2> span,
                                          float* out) {
  out[threadIdx.x] = span(blockIdx.x, threadIdx.x);
}
