#include "host/python/ragged/ragged_requests.hpp"

#include "host/python/arguments.hpp"
#include "host/python/output.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

std::vector<std::int64_t> lengths_of(const RaggedArray& array, const AskedRows& rows) {
  std::vector<std::int64_t> lengths;
  for (const std::int64_t row : rows.numbers()) lengths.push_back(array.length(row));
  return lengths;
}

/// How many items the rows have, for the shape of the output.
std::int64_t items_of(const RaggedArray& array, const AskedRows& rows, const PackOptions& options) {
  if (rows.are_on_device() && options.items) return *options.items;
  if (rows.are_all()) return array.items();
  std::int64_t items = 0;
  for (const std::int64_t length : lengths_of(array, rows))
    if (__builtin_add_overflow(items, length, &items))
      throw py::value_error("the selected rows have more items than 64 bits can count");
  return items;
}

std::int64_t longest_of(const RaggedArray& array, const AskedRows& rows) {
  if (rows.are_on_device() || rows.are_all()) return array.longest();
  const std::vector<std::int64_t> lengths = lengths_of(array, rows);
  return lengths.empty() ? 0 : *std::ranges::max_element(lengths);
}

Output output_for(py::handle out, std::vector<std::int64_t> shape, const RaggedArray& array,
                  const std::optional<Format>& format) {
  const std::vector<std::int64_t> item = array.item_shape();
  shape.insert(shape.end(), item.begin(), item.end());
  return output_of(out, shape, format.value_or(array.format()));
}

}  // namespace

PackRequest ask_pack(const RaggedArray& array, AskedRows rows, py::handle out, py::handle dtype,
                     bool saturate, py::handle offsets_dtype, py::handle items, py::handle stream) {
  PackRequest request{std::move(rows), {}};
  PackOptions& options = request.options;
  WantedElements elements = wanted_elements(dtype, saturate);
  options.format = std::move(elements.format);
  options.overflow = elements.overflow;
  options.offset_bytes = offset_bytes_of(offsets_dtype);
  options.items = count_argument(items, "items");
  options.stream = stream_argument(stream);
  // How many items they have is known on the host alone.
  const bool is_known_here =
      array.device().kind() == DeviceKind::host || (!out.is_none() && !options.items);
  if (is_known_here) request.rows.fetch();
  if (!out.is_none())
    options.out = output_for(out, {items_of(array, request.rows, options)}, array, options.format);
  return request;
}

PadRequest ask_pad(const RaggedArray& array, AskedRows rows, py::handle length, py::handle fill,
                   py::handle side, py::handle truncate, py::handle out, py::handle dtype,
                   bool saturate, py::handle stream) {
  PadRequest request{std::move(rows), {}, {}};
  PadOptions& options = request.options;
  WantedElements elements = wanted_elements(dtype, saturate);
  options.format = std::move(elements.format);
  options.overflow = elements.overflow;
  options.length = count_argument(length, "length");
  options.side = side_argument(side);
  options.truncation = truncation_argument(truncate);
  request.fill = fill_argument(fill, options.format.value_or(array.format()));
  if (!request.fill.empty()) options.fill = request.fill.data();
  options.stream = stream_argument(stream);
  if (array.device().kind() == DeviceKind::host) request.rows.fetch();
  if (out.is_none()) return request;
  const std::int64_t padded = options.length ? *options.length : longest_of(array, request.rows);
  options.out = output_for(out, {request.rows.count(), padded}, array, options.format);
  return request;
}

}  // namespace multibuffer::python
