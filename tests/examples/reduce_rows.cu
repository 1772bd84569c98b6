// The sum of a float** by one call of Thrust, without making the rows dense.

#include <multibuffer/cuda/stream.hpp>
#include <multibuffer/multibuffer.hpp>

#include <thrust/execution_policy.h>
#include <thrust/reduce.h>

#include <iostream>
#include <vector>

int main(int argc, char** argv) {
  // Three rows of four, as a T** has them.
  const std::vector<float> a{0, 1, 2, 3}, b{10, 11, 12, 13}, c{20, 21, 22, 23};
  const std::vector<const float*> rows{c.data(), a.data(), b.data()};

  const auto device = multibuffer::Device::open(argc > 1 ? argv[1] : "auto");
  const auto array = multibuffer::upload(multibuffer::ArrayView::from_rows(rows, 4), device);

  const auto view = multibuffer::elements<float, 2>(array);
  // After the upload, on the stream that Thrust uses; and the array stays until Thrust has ended.
  multibuffer::Access access(multibuffer::cuda::stream_ref(cudaStream_t{}), {array});
  std::cout << thrust::reduce(thrust::device, device_begin(view), device_end(view)) << '\n';
}
