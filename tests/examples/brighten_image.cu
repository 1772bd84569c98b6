// A kernel of one's own over the rows of an image, which lie anywhere: by cuda::std::mdspan.

#include <multibuffer/cuda/mdspan.hpp>
#include <multibuffer/cuda/stream.hpp>
#include <multibuffer/multibuffer.hpp>

#include <cstdint>
#include <iostream>
#include <vector>

using Image = multibuffer::cuda::ElementSpan<const std::uint8_t, 2>;

/// Writes one row of the image, each pixel twice as bright.
__host__ __device__ void brighten(const Image& image, std::int64_t y, std::uint8_t* out) {
  const auto row = multibuffer::cuda::row(image, y);  // follows the row's pointer once
  for (std::int64_t x = 0; x < row.size(); ++x) out[y * row.size() + x] = row[x] * 2;
}
__global__ void brighten_rows(Image image, std::uint8_t* out) { brighten(image, blockIdx.x, out); }

int main(int argc, char** argv) {
  const std::vector<std::uint8_t> top{1, 2, 3}, middle{4, 5, 6}, bottom{7, 8, 9};
  const std::vector<const std::uint8_t*> rows{bottom.data(), middle.data(), top.data()};

  const auto device = multibuffer::Device::open(argc > 1 ? argv[1] : "auto");
  const auto array = multibuffer::upload(multibuffer::ArrayView::from_rows(rows, 3), device);
  const auto result = copy(array);  // memory for the result
  const auto image = multibuffer::cuda::mdspan<std::uint8_t, 2>(array);
  auto* const out = reinterpret_cast<std::uint8_t*>(result.data());
  if (device.kind() == multibuffer::DeviceKind::host) {
    for (std::int64_t y = 0; y < image.extent(0); ++y) brighten(image, y, out);
  } else {
    multibuffer::Access access(multibuffer::cuda::stream_ref(cudaStream_t{}), {array}, {result});
    brighten_rows<<<static_cast<unsigned>(image.extent(0)), 1>>>(image, out);
  }
  for (const unsigned pixel : result.to_host<std::uint8_t>()) std::cout << pixel << ' ';
}
