#include <multibuffer/multibuffer.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <vector>

int main() {
  // Three rows of four numbers, each where its owner happened to allocate it.
  const std::vector<std::int32_t> a{0, 1, 2, 3}, b{10, 11, 12, 13}, c{20, 21, 22, 23};
  const std::array rows{a.data(), b.data(), c.data()};

  const auto view = multibuffer::ArrayView::from_rows(rows, 4).reverse(1);
  const auto array = multibuffer::upload(view, multibuffer::Device::open("auto"));
  const std::array<std::int64_t, 2> indices{2, 0};
  const auto result = multibuffer::take(array, 0, multibuffer::Indices(indices));

  const std::vector<std::int32_t> elements = result.to_host<std::int32_t>();
  for (std::size_t i = 0; i < elements.size(); ++i)
    std::cout << elements[i] << (i % 4 == 3 ? '\n' : ' ');
}
