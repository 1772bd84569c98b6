#include <multibuffer/dataset.hpp>
#include <multibuffer/error.hpp>

#include "tests/fuzz/file_checks.hpp"
#include "tests/testing/random_array.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

namespace multibuffer::fuzz {

void raw_numbers(Bytes bytes) {
  static const std::vector<std::uint8_t> contents = [] {
    std::vector<std::uint8_t> counting(1000);
    for (std::size_t i = 0; i < counting.size(); ++i) counting[i] = static_cast<std::uint8_t>(i);
    return counting;
  }();
  static const BytesAsFile file(contents);
  testing::Random random(bytes);
  const auto number = [&] {
    return random.chance(70) ? random.between(std::int64_t{-20}, std::int64_t{300})
                             : static_cast<std::int64_t>(random.next());
  };
  const std::array formats{Format("B", 1), Format("f", 4), Format(">d", 8), Format("3s", 3)};
  RawNumbers raw{formats[static_cast<std::size_t>(random.between(0, 3))]};
  const int ndim = random.chance(5) ? random.between(0, 70) : random.between(0, 4);
  if (random.chance(90)) {
    raw.shape.emplace();
    for (int i = 0; i < ndim; ++i) raw.shape->push_back(number());
  }
  if (random.chance(50))
    for (int i = 0; i < ndim; ++i) raw.strides.push_back(number());
  if (random.chance(50)) raw.offset = number();
  const std::int64_t itemsize = raw.format.itemsize();
  const RawNumbers given = raw;
  try {
    const Dataset dataset =
        Dataset::open(file.path(), {.window = random.chance(50) ? 0 : 50, .raw = std::move(raw)});
    const std::vector<std::int64_t> shape = dataset.shape();
    std::int64_t count = 1;
    for (const std::int64_t extent : shape)
      count = extent == 0 ? 0 : std::min<std::int64_t>(101, count * std::min(extent, 101L));
    if (count > 100) return;
    const std::vector<std::byte> read = copy(dataset).to_host();
    require(std::ssize(read) == count * itemsize, "a copy has another size");
    require(read == dataset.reference(), "a dataset is read otherwise");
    // Element after element, by the offset and the strides that were given.
    std::vector<std::int64_t> strides = given.strides;
    if (strides.empty() || !given.shape) {
      strides.assign(shape.size(), itemsize);
      for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
    }
    std::vector<std::int64_t> index(shape.size(), 0);
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t at = given.offset;
      for (std::size_t axis = 0; axis < index.size(); ++axis) at += index[axis] * strides[axis];
      require(at >= 0 && at + itemsize <= std::ssize(contents), "an element outside of the file");
      require(std::equal(read.begin() + i * itemsize, read.begin() + (i + 1) * itemsize,
                         std::as_bytes(std::span(contents)).begin() + at),
              "element ", i, " is another");
      for (std::size_t axis = index.size(); axis-- > 0;) {
        if (++index[axis] < shape[axis]) break;
        index[axis] = 0;
      }
    }
  } catch (const Error&) {
  }
}

}  // namespace multibuffer::fuzz
