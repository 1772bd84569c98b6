#include <multibuffer/device.hpp>
#include <multibuffer/error.hpp>
#include <multibuffer/fields.hpp>
#include <multibuffer/ragged.hpp>

#include "host/python/arguments.hpp"
#include "host/python/elements/elements.hpp"
#include "host/python/module.hpp"
#include "host/python/ragged/packed.hpp"
#include "host/python/ragged/ragged_properties.hpp"
#include "host/python/ragged/ragged_requests.hpp"
#include "host/python/ragged/ragged_source.hpp"
#include "host/python/ragged_object.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/support/text.hpp"

#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

// ---- Into the library

/// Where the rows go. By 'auto' they stay where they are if the device can read them there.
PlacementKind placement_for(std::string_view word, const RaggedSource& source,
                            const Device& device) {
  if (word == "packed") return PlacementKind::packed;
  if (word == "in_place") {
    if (!source.copied.empty())
      throw py::value_error(text("placement 'in_place': ", source.copied,
                                 " is not dense in C order, and only a copy of it can be read; "
                                 "by 'auto' it is copied"));
    return PlacementKind::in_place;
  }
  if (word != "auto")
    throw py::value_error(text("placement '", word, "': there are auto, packed and in_place"));
  const bool is_read_there = source.device != "host" || device.kind() == DeviceKind::host;
  return is_read_there ? PlacementKind::in_place : PlacementKind::packed;
}

RaggedArray uploaded(const RaggedSource& source, PlacementKind kind, const Device& device,
                     UploadOptions options, const Progress& progress) {
  options.placement = kind;
  options.owner = kind == PlacementKind::in_place ? shared(source.owner) : source.owner;
  options.memory = source.memory;
  RaggedArray array = without_gil(
      [&](const Watch& watch) {
        options.watch = watch;
        return upload(source.view, device, options);
      },
      progress);
  if (kind == PlacementKind::in_place && device.kind() == DeviceKind::host) {
    std::vector<std::int64_t> extents = array.item_shape();
    extents.push_back(array.items());
    progress.tell_all(array.itemsize(), extents);
  }
  return array;
}

/// Rows of a GPU in host memory.
RaggedSource fetched_rows(const RaggedSource& source) {
  const RaggedArray there =
      uploaded(source, PlacementKind::in_place, Device::open(source.device), {}, {});
  return without_gil([&](const Watch&) {
    const PackedRows rows = pack(there);
    auto values = std::make_shared<const DeviceBuffer>(DeviceBuffer::from_host(
        Device::host(), rows.values.to_host().data(), rows.values.shape(), rows.values.format()));
    const auto offsets = rows.offsets.to_host<std::int64_t>();
    RaggedView view = RaggedView::from_offsets(values->view(), offsets);
    return RaggedSource{std::move(view), std::move(values)};
  });
}

RaggedObject ragged(const py::object& rows, const py::object& offsets, const py::object& lengths,
                    const std::string& device, const std::string& placement, py::handle stream,
                    bool checked, const Progress& progress) {
  RaggedSource source =
      ragged_source(rows, offsets, lengths, checked ? Route::checked : Route::shortest);
  // Memory of a GPU stays on it unless the caller names the host.
  if (source.device != "host" && device == "host") source = fetched_rows(source);
  const Device target =
      Device::open(device == "auto" && source.device != "host" ? source.device : device);
  UploadOptions options;
  options.stream = stream_argument(stream);
  options.checked = checked;
  return RaggedObject(
      uploaded(source, placement_for(placement, source, target), target, options, progress));
}

// ---- Out of it

/// Tells of a few bytes on the host that they are few; work on a device is always long.
std::int64_t bytes_moved(const RaggedArray& array, const AskedRows& rows) {
  constexpr std::int64_t many = std::numeric_limits<std::int64_t>::max(), few_rows = 1024;
  const std::int64_t count = rows.count();
  if (array.device().kind() != DeviceKind::host || array.rows() > few_rows || count > few_rows)
    return many;
  double bytes = static_cast<double>(count) * static_cast<double>(array.longest()) *
                 static_cast<double>(array.itemsize());
  for (const std::int64_t extent : array.item_shape()) bytes *= static_cast<double>(extent);
  return bytes < 1e9 ? static_cast<std::int64_t>(bytes) : many;
}

/// Only who has the buffer, or named the stream, can wait for work on the caller's memory, or ask
/// whether indices on the device were in range.
void wait_for_output(const DeviceBuffer& written, const AskedRows& rows, py::handle stream) {
  if (stream.is_none() || rows.are_on_device()) written.synchronize();
}

py::object pack_rows(const RaggedArray& array, PackRequest request, py::handle out,
                     py::handle stream, const Progress& progress) {
  const RowSelection selection = request.rows.selection();
  PackedRows result = without_gil_for(
      bytes_moved(array, request.rows),
      [&](const Watch& watch) {
        request.options.watch = watch;
        PackedRows rows = pack(array, selection, request.options);
        if (request.options.out) wait_for_output(rows.values, request.rows, stream);
        return rows;
      },
      progress);
  const py::object values =
      out.is_none() ? wrap(std::move(result.values)) : py::reinterpret_borrow<py::object>(out);
  return packed(values, wrap(std::move(result.offsets)));
}

py::object pack_object(const RaggedObject& object, py::handle rows, IndexMode mode, py::handle out,
                       py::handle dtype, bool saturate, py::handle offsets_dtype, py::handle items,
                       py::handle stream, const Progress& progress) {
  return pack_rows(object.array,
                   ask_pack(object.array, AskedRows(rows, object.array.rows(), mode), out, dtype,
                            saturate, offsets_dtype, items, stream),
                   out, stream, progress);
}

RaggedObject take_rows(const RaggedObject& object, py::handle indices, IndexMode mode,
                       py::handle stream, const Progress& progress) {
  if (indices.is_none())
    throw py::type_error("indices are integers or bools, or arrays of them, not None");
  const RaggedArray& array = object.array;
  AskedRows rows(indices, array.rows(), mode);
  if (array.device().kind() == DeviceKind::host) rows.fetch();
  CallOptions options;
  options.stream = stream_argument(stream);
  const RowSelection selection = rows.selection();
  return RaggedObject(without_gil(
      [&](const Watch& watch) {
        options.watch = watch;
        return take(array, selection, options);
      },
      progress));
}

py::object pad_object(const RaggedObject& object, py::handle rows, py::handle length,
                      py::handle fill, py::handle side, py::handle truncate, IndexMode mode,
                      py::handle out, py::handle dtype, bool saturate, py::handle stream,
                      const Progress& progress) {
  const RaggedArray& array = object.array;
  PadRequest request = ask_pad(array, AskedRows(rows, array.rows(), mode), length, fill, side,
                               truncate, out, dtype, saturate, stream);
  const RowSelection selection = request.rows.selection();
  DeviceBuffer result = without_gil_for(
      bytes_moved(array, request.rows),
      [&](const Watch& watch) {
        request.options.watch = watch;
        DeviceBuffer padded = pad(array, selection, request.options);
        if (request.options.out) wait_for_output(padded, request.rows, stream);
        return padded;
      },
      progress);
  if (!out.is_none()) return py::reinterpret_borrow<py::object>(out);
  return wrap(std::move(result));
}

// ---- a[key]

[[noreturn]] void refuse_key() {
  throw py::index_error(
      "a ragged array is indexed by its rows alone, without new axes: index one row, array[i], or "
      "the result of pack() or pad()");
}

py::object get_item(const RaggedObject& object, const py::object& key) {
  const RaggedArray& array = object.array;
  if (PyUnicode_Check(key.ptr()))
    return wrap(RaggedObject(array.field(text_argument(key, "the name of a field")), object));
  if (is_list_of_names(key))
    return wrap(
        RaggedObject(array.reinterpret(0, fields_of(array.format(), names_of(key))), object));
  if (has_several_entries(key)) refuse_key();
  const std::vector<std::int64_t> rows{array.rows()};
  Selection selection = select(key, rows);
  if (selection.advanced()) {
    if (selection.indices.size() != 1 || !selection.operations.empty())
      throw py::index_error(
          "rows are selected by one index array, or by a mask with a bool for every row, and by "
          "nothing beside it");
    PackRequest request =
        ask_pack(array, AskedRows(std::move(selection.indices[0]), array.rows()), py::none(),
                 py::none(), false, py::str("int64"), py::none(), py::none());
    return pack_rows(array, std::move(request), py::none(), py::none(), {});
  }
  if (selection.operations.empty()) return wrap(RaggedObject(array, object));
  if (selection.operations.size() > 1) refuse_key();
  if (const auto* index = std::get_if<IndexAxis>(&selection.operations[0]))
    return wrap(array.row(index->index));
  if (const auto* slice = std::get_if<SliceAxis>(&selection.operations[0]))
    return wrap(RaggedObject(array.slice(slice->slice), object));
  refuse_key();
}

// ---- What it says of itself

/// The elements of all rows in host memory, and where each row begins in them.
struct HostRows {
  std::vector<std::byte> bytes;
  std::vector<std::int64_t> lengths;
};
HostRows host_rows(const RaggedArray& array) {
  return without_gil([&](const Watch& watch) {
    PackOptions options;
    options.watch = watch;
    return HostRows{pack(array, {}, options).values.to_host(), array.lengths()};
  });
}

py::object to_lists(const RaggedObject& object) {
  const Format& format = object.array.format();
  format.type();  // refuses before anything is read
  const HostRows rows = host_rows(object.array);
  return lists_of_rows(format, rows.lengths, object.item_shape(), rows.bytes.data());
}

bool contains(const RaggedObject& object, py::handle item) {
  const Format& format = object.array.format();
  const bool by_numpy = is_compared_by_numpy(format, item);  // refuses before anything is read
  if (by_numpy) throw py::type_error("rows of unequal length are compared with one element alone");
  const HostRows rows = host_rows(object.array);
  std::vector<std::int64_t> shape = object.item_shape();
  shape.insert(shape.begin(), object.array.items());
  return any_equal(format, shape, rows.bytes.data(), item);
}

py::object as_numpy(const RaggedObject&, const py::object&, const py::object&) {
  throw py::buffer_error(
      "rows of unequal length are no NumPy array; numpy.asarray() takes what pack().values and "
      "pad() are");
}

const RaggedArray& array_in(const RaggedObject& object) { return object.array; }
std::string device_name(const RaggedObject& object) { return object.array.device().name(); }
const char* placement_of_rows(const RaggedObject& object) {
  return object.array.placement() == PlacementKind::in_place ? "in_place" : "packed";
}
std::int64_t storage_bytes(const RaggedObject& object) { return object.array.storage_bytes(); }
std::vector<std::int64_t> rows_axis(const RaggedObject& object) { return {object.array.rows()}; }

std::string picture(const RaggedObject& object) { return svg_of(object.array); }

std::string represent(const RaggedObject& object) {
  const RaggedArray& array = object.array;
  return text("RaggedArray(shape=", str_of(ragged_shape(array.rows(), array.item_shape())),
              ", dtype='", dtype_name(array.format()), "', device='", array.device().name(),
              "', placement='", placement_of_rows(object), "')\n  ", array.items(),
              " items, up to ", array.longest(), " a row");
}

}  // namespace

py::object lists_of_rows(const Format& format, std::span<const std::int64_t> lengths,
                         std::vector<std::int64_t> item_shape, const std::byte* elements) {
  std::int64_t item_bytes = format.itemsize();
  for (const std::int64_t extent : item_shape) item_bytes *= extent;
  py::list rows;
  item_shape.insert(item_shape.begin(), 0);
  for (const std::int64_t length : lengths) {
    item_shape[0] = length;
    rows.append(to_list(format, item_shape, elements));
    elements += length * item_bytes;
  }
  return rows;
}

void bind_ragged(py::module_& module) {
  bind_packed(module);
  Class<RaggedObject> cls(
      "RaggedArray",
      "Rows of unequal length on a device: where each begins, and how long it is.\n\n"
      "array[3] is a row, a DeviceArray that shares its memory; slices and fields are views, too;\n"
      "index arrays and masks gather rows into a Packed. pack() makes all of them dense, one "
      "after\n"
      "the other, and pad() under each other.");
  bind_ragged_properties<array_in>(cls);
  cls.property<device_name>("device", "Where it is: 'host', 'cuda:0', ...")
      .property<placement_of_rows>("placement", "How its rows were placed: 'packed' or 'in_place'.")
      .property<storage_bytes>("storage_bytes",
                               "What its rows and tables take on the device; in place, the tables.")
      .iteration<rows_axis>()
      .contains<contains>()
      .subscript<get_item>()
      .method<pack_object>(
          "pack($self, rows=None, *, mode='raise', out=None, dtype=None, saturate=False, "
          "offsets_dtype='int64', items=None, stream=None, progress=None)",
          "The rows one after the other: a Packed of values and offsets, so that row i is\n"
          "values[offsets[i]:offsets[i + 1]].\n"
          "rows: which, in which order: integers, or a mask; None is all. mode says what an index\n"
          "out of range means: 'raise', 'clip' or 'wrap'.\n"
          "dtype, saturate: those of DeviceArray.astype, in the same pass.\n"
          "offsets_dtype: 'int64', or 'int32' as flash-attention's cu_seqlens are.\n"
          "items: where rows are on a GPU and what they have is not to be waited for, how many "
          "items\n"
          "there is room for. values has so many, and what is behind the last row may be "
          "anything.\n"
          "out: memory for the values, dense in C order, which must not overlap the array; then "
          "it\n"
          "is the values of the result.\n"
          "stream, progress: those of DeviceArray.take.")
      .method<take_rows>("take($self, indices, *, mode='raise', stream=None, progress=None)",
                         "The rows at indices as a RaggedArray: no row moves, and it shares the "
                         "memory of this one.\n"
                         "array[indices] and array.pack(indices) copy them. mode, stream and "
                         "progress are those of\n"
                         "pack().")
      .method<pad_object>(
          "pad($self, rows=None, *, length=None, fill=0, side='right', truncate=False, "
          "mode='raise', out=None, dtype=None, saturate=False, stream=None, progress=None)",
          "The rows under each other, each with length items: a DeviceBuffer of shape\n"
          "(rows, length, ...).\n"
          "length: None is that of the longest row that is asked for; of rows on a GPU that are\n"
          "asked for by indices there, of the longest of all.\n"
          "fill: what stands where a row has no item: a number, an array without axes, or the "
          "bytes\n"
          "of an element. It is an element of the result: integers are given as they are, reals "
          "are\n"
          "rounded, and a number that the result's elements cannot come near is refused.\n"
          "side: where it stands, 'right' (behind the row) or 'left'.\n"
          "truncate: whether rows may be longer than length: False (then ValueError names one),\n"
          "'right' or True (the first items are kept), or 'left' (the last ones).\n"
          "rows, mode, dtype, saturate, out, stream and progress are those of pack().")
      .method<to_lists>("tolist($self)", "The rows as lists; elements as in DeviceArray.tolist.")
      .method<as_numpy>("__array__($self, dtype=None, copy=None)",
                        "For NumPy: BufferError, since it has no such arrays.")
      .method<picture>("_repr_svg_($self)", "For notebooks: the picture that draw() makes.")
      .repr<represent>()
      .collected<visit_ragged>();
  bind_ragged_plans(cls);
  cls.add_to(module);
  add_function<ragged>(
      module,
      "ragged($module, rows, offsets, lengths, device, placement, stream, checked, progress)",
      "As multibuffer.ragged, which has the defaults.");
}

}  // namespace multibuffer::python
