#include <multibuffer/dlpack.hpp>
#include <multibuffer/multibuffer.hpp>

#include "tests/fuzz/targets.hpp"
#include "tests/testing/random_array.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <vector>

namespace multibuffer::fuzz {
namespace {

/// The bytes of all elements in C order, or nothing if one lies outside of `memory` or there are
/// many.
std::optional<std::vector<std::byte>> elements_of(const dlpack::Tensor& tensor,
                                                  std::span<const std::byte> memory) {
  const auto ndim = static_cast<std::size_t>(tensor.ndim);
  const Wide itemsize = tensor.dtype.bits / 8;
  std::vector<Wide> strides(ndim, 1);
  for (std::size_t i = ndim; i-- > 1;)
    // Beyond any memory, and far from the end of the numbers.
    strides[i - 1] = std::min(
        Wide{1} << 80, strides[i] * std::max<std::int64_t>(1, std::min(tensor.shape[i], 1L << 20)));
  Wide count = 1;
  for (std::size_t i = 0; i < ndim; ++i) {
    if (tensor.strides) strides[i] = tensor.strides[i];
    if (tensor.shape[i] == 0) return std::vector<std::byte>();
    count *= tensor.shape[i];
    if (count > 256) return {};
  }
  std::vector<std::byte> result;
  std::vector<std::int64_t> index(ndim, 0);
  for (std::int64_t i = 0; i < count; ++i) {
    Wide at = static_cast<Wide>(tensor.byte_offset);
    for (std::size_t axis = 0; axis < ndim; ++axis) at += index[axis] * strides[axis] * itemsize;
    if (at < 0 || at + itemsize > std::ssize(memory)) return {};
    const std::byte* const element = memory.data() + static_cast<std::ptrdiff_t>(at);
    result.insert(result.end(), element, element + static_cast<std::ptrdiff_t>(itemsize));
    for (std::size_t axis = ndim; axis-- > 0;) {
      if (++index[axis] < tensor.shape[axis]) break;
      index[axis] = 0;
    }
  }
  return result;
}

}  // namespace

void dlpack(Bytes bytes) {
  testing::Random random(bytes);
  std::vector<std::byte> memory(static_cast<std::size_t>(random.between(1, 400)));
  random.fill(memory);
  const auto number = [&] {
    return random.chance(90) ? random.between(std::int64_t{-8}, std::int64_t{12})
                             : static_cast<std::int64_t>(random.next());
  };
  const int ndim = random.chance(95) ? random.between(0, 4) : random.between(-3, 70);
  std::vector<std::int64_t> shape, strides;
  for (int i = 0; i < ndim; ++i) {
    shape.push_back(random.chance(90) ? random.between(std::int64_t{0}, std::int64_t{5})
                                      : number());
    strides.push_back(number());
  }
  dlpack::ManagedTensorVersioned managed{};
  managed.version = {static_cast<std::uint32_t>(random.chance(95) ? 1 : random.between(0, 9)), 0};
  static int deleted = 0;
  deleted = 0;
  managed.deleter = [](dlpack::ManagedTensorVersioned*) { ++deleted; };
  managed.flags = random.chance(90) ? 0 : random.next();
  managed.tensor = {
      .data = random.chance(97) ? memory.data() : nullptr,
      .device = {random.chance(90) ? dlpack::device_cpu : random.between(-2, 16), 0},
      .ndim = ndim,
      .dtype = {static_cast<std::uint8_t>(random.between(0, 20)),
                static_cast<std::uint8_t>(random.chance(90) ? 8 << random.between(0, 4)
                                                            : random.between(0, 255)),
                static_cast<std::uint16_t>(random.chance(97) ? 1 : random.between(0, 65535))},
      .shape = random.chance(98) ? shape.data() : nullptr,
      .strides = random.chance(70) ? strides.data() : nullptr,
      .byte_offset =
          random.chance(90) ? static_cast<std::uint64_t>(random.between(0, 50)) : random.next()};
  std::optional<std::vector<std::byte>> expected;
  try {
    const ArrayView view = dlpack::view(managed.tensor, false);
    require(view.space() == MemorySpace::host || managed.tensor.device.type != dlpack::device_cpu,
            "memory of a processor is on a device");
    if (view.space() != MemorySpace::host) return;
    expected = elements_of(managed.tensor, memory);
    if (!expected) return;
    const DeviceArray uploaded = upload(view, Device::host());
    require(copy(uploaded).to_host() == *expected, "a tensor's copy has other elements");
  } catch (const Error&) {
  }
  bool taken = false;
  try {
    const DeviceBuffer buffer = dlpack::take(&managed);
    taken = true;
    require(deleted == 0, "a tensor was deleted while it was held");
    if (expected) require(buffer.to_host() == *expected, "a tensor that was taken differs");
  } catch (const Error&) {
  }
  require(deleted == (taken ? 1 : 0), "the deleter was called ", deleted, " times");
}

}  // namespace multibuffer::fuzz
