#include <multibuffer/ragged_reference.hpp>

#include "host/python/arguments.hpp"
#include "host/python/elements/elements.hpp"
#include "host/python/module.hpp"
#include "host/python/ragged/packed.hpp"
#include "host/python/ragged/ragged_arguments.hpp"
#include "host/python/ragged/ragged_properties.hpp"
#include "host/python/ragged/ragged_source.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

/// What a Python `RaggedReference` holds.
struct ReferenceRows {
  RaggedView view;
  Owner owner;
};

}  // namespace

template <>
struct Shares<ReferenceRows> {
  template <class Use>
  static void each(const ReferenceRows& rows, const Use& use) {
    if (rows.owner) use(Share{rows.owner, nullptr});
  }
};

namespace {

ReferenceRows reference_of_rows(const py::object& rows, const py::object& offsets,
                                const py::object& lengths) {
  RaggedSource source = ragged_source(rows, offsets, lengths, Route::protocols);
  if (source.device != "host")
    throw py::buffer_error("the reference reads host memory; these rows are on " + source.device);
  return {std::move(source.view), shared(std::move(source.owner))};
}

reference::Rows named(AskedRows& rows) {
  rows.fetch();
  return {rows.indices(), rows.mode()};
}

DeviceBuffer delivered_rows(const reference::Result& result, const Format& format) {
  return DeviceBuffer::from_host(Device::host(), result.bytes.data(), result.shape, format);
}

template <class Number>
DeviceBuffer offsets_of(const std::vector<std::int64_t>& offsets) {
  if (offsets.back() > std::numeric_limits<Number>::max())
    throw py::value_error(text("the selected rows have ", offsets.back(),
                               " items, which offsets of ", sizeof(Number) * 8,
                               " bits cannot count"));
  const std::vector<Number> numbers(offsets.begin(), offsets.end());
  const std::vector<std::int64_t> shape{std::ssize(numbers)};
  return DeviceBuffer::from_host(Device::host(), numbers.data(), shape, native_format<Number>());
}

py::object pack_reference(const ReferenceRows& object, py::handle rows, IndexMode mode,
                          py::handle dtype, bool saturate, py::handle offsets_dtype) {
  const RaggedView& view = object.view;
  AskedRows asked(rows, view.rows(), mode);
  const reference::Rows wanted_rows = named(asked);
  const WantedElements wanted = wanted_elements(dtype, saturate);
  const int offset_bytes = offset_bytes_of(offsets_dtype);
  const reference::Packed result = without_gil([&](const Watch& watch) {
    return reference::pack(view, wanted_rows, wanted.format,
                           {.overflow = wanted.overflow, .watch = watch});
  });
  DeviceBuffer values = delivered_rows(result.values, wanted.format.value_or(view.format()));
  return packed(wrap(std::move(values)),
                wrap(offset_bytes == 8 ? offsets_of<std::int64_t>(result.offsets)
                                       : offsets_of<std::int32_t>(result.offsets)));
}

/// The length that rows are padded to. Throws ValueError, naming a row that is longer and must not
/// be.
std::int64_t padded_length(const RaggedView& view, const AskedRows& asked,
                           const std::optional<std::int64_t>& wanted, Truncation truncation) {
  std::int64_t longest = 0;
  for (const std::int64_t row : asked.numbers()) {
    longest = std::max(longest, view.length(row));
    if (wanted && longest > *wanted && truncation == Truncation::refuse)
      throw py::value_error(
          text("row ", row, " has ", longest, " items, and the padded length is ", *wanted));
  }
  return wanted.value_or(longest);
}

DeviceBuffer pad_reference(const ReferenceRows& object, py::handle rows, py::handle length,
                           py::handle fill, py::handle side, py::handle truncate, IndexMode mode,
                           py::handle dtype, bool saturate) {
  const RaggedView& view = object.view;
  AskedRows asked(rows, view.rows(), mode);
  const reference::Rows wanted_rows = named(asked);
  const WantedElements wanted = wanted_elements(dtype, saturate);
  const Format format = wanted.format.value_or(view.format());
  const Truncation truncation = truncation_argument(truncate);
  const std::vector<std::byte> element = fill_argument(fill, format);
  const reference::Padding padding{
      .length = padded_length(view, asked, count_argument(length, "length"), truncation),
      .fill = element.empty() ? nullptr : element.data(),
      .before = side_argument(side) == PadSide::before,
      .keeps_end = truncation == Truncation::drop_begin};
  const reference::Result result = without_gil([&](const Watch& watch) {
    return reference::pad(view, padding, wanted_rows, wanted.format,
                          {.overflow = wanted.overflow, .watch = watch});
  });
  return delivered_rows(result, format);
}

py::object row_of_reference(const ReferenceRows& object, const py::object& key) {
  constexpr const char* wrong =
      "a RaggedReference has its rows by integers; pack() takes index arrays";
  if (has_several_entries(key)) throw py::index_error(wrong);
  const std::vector<std::int64_t> rows{object.view.rows()};
  Selection selection = select(key, rows);
  const auto* const index =
      selection.operations.size() == 1 ? std::get_if<IndexAxis>(&selection.operations[0]) : nullptr;
  if (selection.advanced() || !index) throw py::index_error(wrong);
  std::int64_t row = index->index;
  if (row < 0) row += object.view.rows();
  std::vector<std::int64_t> shape = object.view.item_shape();
  shape.insert(shape.begin(), object.view.length(row));
  static const std::byte nowhere{};
  const std::byte* const start = object.view.start(row);
  return wrap(DeviceBuffer::from_host(Device::host(), start ? start : &nowhere, shape,
                                      object.view.format()));
}

py::object lists_of_reference(const ReferenceRows& object) {
  const RaggedView& view = object.view;
  view.format().type();  // refuses before anything is read
  const reference::Packed all = without_gil(
      [&](const Watch& watch) { return reference::pack(view, {}, {}, {.watch = watch}); });
  return lists_of_rows(view.format(), view.lengths(), view.item_shape(), all.values.bytes.data());
}

bool reference_contains(const ReferenceRows& object, py::handle item) {
  const RaggedView& view = object.view;
  const bool by_numpy = is_compared_by_numpy(view.format(), item);  // refuses before it is read
  if (by_numpy) throw py::type_error("rows of unequal length are compared with one element alone");
  const reference::Packed all = without_gil(
      [&](const Watch& watch) { return reference::pack(view, {}, {}, {.watch = watch}); });
  return any_equal(view.format(), all.values.shape, all.values.bytes.data(), item);
}

const RaggedView& view_in(const ReferenceRows& object) { return object.view; }
std::vector<std::int64_t> rows_of_reference(const ReferenceRows& object) {
  return {object.view.rows()};
}

std::string represent_rows(const ReferenceRows& object) {
  const RaggedView& view = object.view;
  return text("RaggedReference(shape=", str_of(ragged_shape(view.rows(), view.item_shape())),
              ", dtype='", dtype_name(view.format()), "')");
}

}  // namespace

void bind_ragged_reference(py::module_& module) {
  Class<ReferenceRows> cls(
      "RaggedReference",
      "Rows of unequal length read one by one, where their owners have them: what results are\n"
      "checked against. It shares no code with RaggedArray, and is not fast.");
  bind_ragged_properties<view_in>(cls);
  cls.iteration<rows_of_reference>()
      .contains<reference_contains>()
      .subscript<row_of_reference>()
      .method<pack_reference>(
          "pack($self, rows=None, *, mode='raise', dtype=None, saturate=False, "
          "offsets_dtype='int64')",
          "As RaggedArray.pack.")
      .method<pad_reference>(
          "pad($self, rows=None, *, length=None, fill=0, side='right', truncate=False, "
          "mode='raise', dtype=None, saturate=False)",
          "As RaggedArray.pad.")
      .method<lists_of_reference>("tolist($self)", "As RaggedArray.tolist.")
      .repr<represent_rows>()
      .collected()
      .add_to(module);
  add_function<reference_of_rows>(module, "ragged_reference($module, rows, offsets, lengths)",
                                  "As multibuffer.ragged_reference, which has the defaults.");
}

}  // namespace multibuffer::python
