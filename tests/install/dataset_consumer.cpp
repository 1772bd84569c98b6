#include <multibuffer/dataset.hpp>

#include <array>
#include <cstdint>
#include <iostream>

// Prints the first and the last row of an array of eight-bit integers in a file, by their sums.
int main(int /*count*/, char** arguments) {
  const auto dataset = multibuffer::Dataset::open(arguments[1]);
  const std::array<std::int64_t, 2> ends{0, dataset.shape()[0] - 1};
  const auto rows = multibuffer::take(dataset, 0, multibuffer::Indices(ends));
  const auto bytes = rows.to_host<std::uint8_t>();
  std::int64_t sum = 0;
  for (const std::uint8_t byte : bytes) sum += byte;
  std::cout << bytes.size() << ' ' << sum << '\n';
  for (const auto& format : multibuffer::file_formats())
    std::cout << format.name << (format.missing.empty() ? "" : " lacks ") << format.missing << '\n';
}
