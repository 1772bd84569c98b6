#include <multibuffer/error.hpp>
#include <multibuffer/indices.hpp>

#include "host/backend/copy_plan.hpp"
#include "host/gather/range_check.hpp"
#include "host/gather/staged_indices.hpp"
#include "host/support/checked.hpp"
#include "host/support/parallel.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <utility>

namespace multibuffer {
namespace {

using Shape = std::vector<std::int64_t>;

template <class T>
void check_values(const T* values, std::int64_t count, const PlanIndices& indices) {
  std::atomic<bool> bad = false;
  const auto check = [&](std::int64_t begin, std::int64_t end) {
    if (any_out_of_range(values + begin, sizeof(T), end - begin, indices.extent)) bad = true;
  };
  parallel_for(count, sizeof(T), {}, std::ref(check));  // by reference: nothing is allocated
  if (!bad) return;
  for (std::int64_t i = 0; i < count; ++i)
    if (resolve_index(values[i], indices.extent, IndexMode::raise) < 0)
      throw_bad_index(indices, i, values[i]);
}

void check_count(std::size_t values, const Shape& shape) {
  std::int64_t count = std::ranges::find(shape, 0) == shape.end() ? 1 : 0;
  for (const std::int64_t extent : shape)
    count = checked_multiply(count, extent, "the number of indices");
  if (std::ranges::any_of(shape, [](std::int64_t extent) { return extent < 0; }) ||
      count != static_cast<std::int64_t>(values))
    throw Failure(Errc::invalid_argument,
                  text(values, " indices do not have the shape ", tuple_text(shape)));
}

}  // namespace

Indices::Indices(std::span<const std::int64_t> values)
    : Indices(values, {static_cast<std::int64_t>(values.size())}) {}
Indices::Indices(std::span<const std::int32_t> values)
    : Indices(values, {static_cast<std::int64_t>(values.size())}) {}

Indices::Indices(std::span<const std::int64_t> values, Shape shape)
    : data_(values.data()), bytes_each_(8), shape_(std::move(shape)) {
  check_count(values.size(), shape_);
}
Indices::Indices(std::span<const std::int32_t> values, Shape shape)
    : data_(values.data()), bytes_each_(4), shape_(std::move(shape)) {
  check_count(values.size(), shape_);
}
Indices::Indices(const DeviceBuffer& buffer)
    : data_(buffer.data()),
      bytes_each_(static_cast<int>(buffer.format().itemsize())),
      shape_(buffer.shape()),
      space_(buffer.view().space()),
      buffer_(buffer) {
  const Type& type = buffer.format().type();
  if (type.is_struct || type.kind != ScalarKind::signed_integer || !type.little_endian ||
      (bytes_each_ != 4 && bytes_each_ != 8))
    throw Failure(Errc::invalid_argument, text("indices are 32- or 64-bit signed integers, not '",
                                               buffer.format().text(), "'"));
  if (!buffer.is_c_contiguous())
    throw Failure(Errc::invalid_argument, "an index buffer must be dense and in C order");
}

std::int64_t count_of(const Indices& indices) {
  std::int64_t count = 1;
  for (const std::int64_t extent : indices.shape()) count *= extent;
  return count;
}

void check_indices(const Indices& indices, const void* values, const PlanIndices& plan,
                   IndexMode mode, bool empty_result) {
  const std::int64_t count = count_of(indices);
  if (count > 0 && plan.extent == 0)
    throw Failure(Errc::index_out_of_range,
                  text(count, " indices for axis ", plan.axis, ", whose extent is 0"));
  if (mode != IndexMode::raise) return;
  std::vector<std::byte> fetched;
  if (indices.space() == MemorySpace::device) {
    if (!empty_result) return;  // else the device checks them as it reads them
    fetched = indices.buffer()->to_host();
    values = fetched.data();
  }
  if (indices.bytes_each() == 4) {
    check_values(static_cast<const std::int32_t*>(values), count, plan);
  } else {
    check_values(static_cast<const std::int64_t*>(values), count, plan);
  }
}

void StagedIndices::add(const Indices& indices) {
  offsets_.push_back(bytes_.size());
  if (indices.space() == MemorySpace::device) return;
  const auto size = static_cast<std::size_t>(count_of(indices) * indices.bytes_each());
  bytes_.resize((bytes_.size() + size + 15) / 16 * 16);
  if (size > 0) std::memcpy(bytes_.data() + offsets_.back(), indices.data(), size);
}

std::shared_ptr<Memory> StagedIndices::upload(CopyPlan& plan,
                                              std::span<const Indices* const> sources,
                                              const Device& device, StreamRef stream) const {
  if (bytes_.empty()) return nullptr;
  const auto bytes = static_cast<std::int64_t>(bytes_.size());
  std::shared_ptr<Memory> memory = backend_of(device).allocate(bytes, stream);
  for (std::size_t i = 0; i < sources.size(); ++i)
    if (sources[i]->space() == MemorySpace::host)
      plan.indices[i].data = memory->data() + offsets_[i];
  backend_of(device).write(*memory, 0, bytes_.data(), bytes, stream);
  return memory;
}

}  // namespace multibuffer
