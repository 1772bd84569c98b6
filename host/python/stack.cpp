#include <multibuffer/device.hpp>
#include <multibuffer/error.hpp>
#include <multibuffer/stack.hpp>

#include "host/python/device_array.hpp"
#include "host/python/elements/dtype.hpp"
#include "host/python/inputs/exporter.hpp"
#include "host/python/inputs/parts.hpp"
#include "host/python/inputs/stack_object.hpp"
#include "host/python/module.hpp"
#include "host/python/properties.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/python/support/owner.hpp"
#include "host/python/support/values.hpp"
#include "host/support/native_order.hpp"
#include "host/support/text.hpp"
#include "host/upload/by_pointers.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

StackObject stack_of(const py::object& sequence) {
  // A pointer table is over the parts themselves or not at all.
  Parts parts = parts_of(sequence, Holding::tensors);
  const std::string device = parts.runs[0].source.device;
  Stack stack = stack_parts(parts);
  return {std::move(stack), std::move(parts.owner), device};
}

bool is_address(const Format& format) {
  if (format.itemsize() != sizeof(void*) || format.opaque() || format.type().is_struct)
    return false;
  const Type& type = format.type();
  const bool is_integer =
      type.kind == ScalarKind::unsigned_integer || type.kind == ScalarKind::signed_integer;
  return (is_integer || type.kind == ScalarKind::pointer) && type.little_endian == native_little;
}

/// Describes the part behind each pointer, its address apart: nothing is read through this view.
ArrayView part_of(const std::vector<std::int64_t>& shape, const py::object& strides,
                  const Format& format, MemorySpace space) {
  static const std::byte somewhere{};
  for (const std::int64_t extent : shape)
    if (extent < 0) throw py::value_error(text("shape has the negative extent ", extent));
  if (strides.is_none()) return ArrayView::dense(&somewhere, shape, format, true, space);
  const std::vector<std::int64_t> steps = integers_argument(strides, "strides");
  if (steps.size() != shape.size())
    throw py::value_error(text("shape has ", shape.size(), " numbers, strides ", steps.size()));
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < shape.size(); ++i) axes.push_back({shape[i], steps[i], 0});
  return ArrayView(&somewhere, format, Layout(std::move(axes), {0}), true, space);
}

/// Addresses in a list, as Python has them; they are copied. Else the array that they are in.
Source addresses_of(const py::object& pointers) {
  const bool is_sequence = PyList_Check(pointers.ptr()) || PyTuple_Check(pointers.ptr());
  if (!is_sequence) return source_of(pointers);
  std::vector<std::uintptr_t> addresses;
  for (const py::handle item : pointers) {
    // The list is one of arrays, then, which may be pointer tables.
    if (addresses.empty() && !PyLong_Check(item.ptr())) return source_of(pointers);
    addresses.push_back(address_argument(item, text("pointers[", addresses.size(), "]").c_str()));
  }
  const std::vector<std::int64_t> shape{static_cast<std::int64_t>(addresses.size())};
  return source_of(DeviceBuffer::from_host(Device::host(), addresses.data(), shape,
                                           Format("Q", sizeof(std::uintptr_t))));
}

/// Reads a format argument. No dtype's name is a format of PEP 3118.
Format format_argument(const py::object& given) {
  if (std::optional<Format> format = find_format_of_dtype(given)) return *format;
  if (PyUnicode_Check(given.ptr())) {
    const std::string code = text_argument(given, "format");
    return Format(code, parse_format(code).size);
  }
  throw py::type_error(
      text("format must be a str, as PEP 3118 spells it, or the dtype of a number, not ",
           repr_of(given)));
}

/// A part at each of the addresses, which are in an array that its exporter keeps.
StackObject from_pointers(const py::object& pointers, const py::object& shape,
                          const py::object& format, const py::object& strides,
                          const std::string& device_name, const py::object& owner) {
  Source table = addresses_of(pointers);
  if (table.device != "host")
    throw py::value_error(text("pointers are read by the host, and these are on ", table.device));
  if (!is_address(table.view.format()))
    throw py::type_error(
        text("pointers are integers of 64 bits in this machine's byte order, not '",
             table.view.format().text(), "'"));
  if (device_name == "auto")
    throw py::value_error(
        "device 'auto': addresses are of one memory, so say which: 'host', 'cuda' or 'cuda:N'");
  const std::string device = Device::open(device_name).name();
  const ArrayView part =
      part_of(integers_argument(shape, "shape"), strides, format_argument(format),
              device == "host" ? MemorySpace::host : MemorySpace::device);
  Stack stack = stack_at(table.view, part);
  return {std::move(stack), keep_both(std::move(table.owner), keep(owner)), device};
}

/// An array of rows that a table of pointers in somebody's memory leads to.
StackObject rows_at(std::uintptr_t table, std::int64_t count,
                    const std::vector<std::int64_t>& shape,
                    const std::vector<std::int64_t>& strides, const std::string& format,
                    const py::object& owner) {
  if (shape.size() != strides.size()) throw py::value_error("a shape and strides of one length");
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < shape.size(); ++i) axes.push_back({shape[i], strides[i], 0});
  if (table == 0 || count < 1) throw py::value_error("a table of no rows has no shape");
  const auto* const pointers = reinterpret_cast<const std::byte* const*>(table);
  std::vector<const std::byte*> rows(pointers, pointers + count);
  const ArrayView row(rows[0], Format(format, parse_format(format).size),
                      Layout(std::move(axes), {0}));
  return {stack(row, std::move(rows)), keep(owner), "host"};
}

std::vector<std::int64_t> shape_of_stack(const StackObject& stack) {
  return stack.stack.view().shape();
}

/// All elements, by one walk over the pointers: in memory for `out`, or in new memory.
py::object copy_of_stack(const StackObject& object, py::handle out, const Progress& progress) {
  Asked asked = ask_copy(shape_of_stack(object), Order::C);
  const ArrayView& view = object.stack.view();
  if (const std::optional<DeviceArray> array = array_by_pointers(view))
    return Verbs<DeviceArray>::run(*array, asked, out, py::none(), progress);
  const DeviceArray array = without_gil([&](const Watch& watch) {
    UploadOptions options;
    options.placement = PlacementKind::in_place;
    options.watch = watch;
    return upload(view, Device::open(object.device), options);
  });
  return Verbs<DeviceArray>::run(array, asked, out, py::none(), progress);
}

int traverse_stack(const StackObject& object, visitproc visit, void* arg) {
  return object.traverse(visit, arg);
}

int get_stack_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  try {
    const auto& object = value_in<const StackObject>(self);
    if (refuses_format(object.stack.view().format(), flags, "upload() takes them")) return -1;
    if (object.device == "host") {
      BufferExport source = object.stack.raw_export();
      source.format = format_for_consumers(object.stack.view().format());
      return export_buffer(self, source, view, flags);
    }
    PyErr_Format(PyExc_BufferError, "the parts of this stack are on %s", object.device.c_str());
  } catch (...) {
    set_python_error();
  }
  return -1;
}

/// NumPy asks for this where the buffer protocol refuses, and makes an array of one Python object
/// of whatever has nothing to answer.
py::object stack_as_numpy(const StackObject& object, const py::object&, const py::object&) {
  const std::string on = object.device == "host" ? "" : " on " + object.device;
  throw py::buffer_error("a stack of pointers" + on +
                         " is no NumPy array; copy() makes one of it, for numpy.asarray() to take, "
                         "and upload() an array that is read many times");
}

std::string represent_stack(const StackObject& object) {
  const ArrayView& view = object.stack.view();
  return text("Stack(", shape_text(view.shape(), view.format()), ", device='", object.device,
              view.readonly() ? "', readonly)" : "')");
}

const Format& format_of_stack(const StackObject& stack) { return stack.stack.view().format(); }
bool is_readonly(const StackObject& stack) { return stack.stack.view().readonly(); }

}  // namespace

void bind_stack(py::module_& module) {
  Class<StackObject> cls(
      "Stack",
      "A table of pointers to separate buffers, which it holds: itself an exporter of the buffer\n"
      "protocol, with suboffsets. memoryview(), Cython and upload() read it; nothing is copied.");
  bind_properties<shape_of_stack, format_of_stack>(cls);
  cls.property<is_readonly>("readonly", "Whether some part is read-only.")
      .property<&StackObject::device>("device", "Whose memory the parts are in.")
      .method<copy_of_stack>(
          "copy($self, out=None, *, progress=None)",
          "All elements, dense in C order, by one walk over the pointers: a DeviceBuffer, or out,\n"
          "if given, which must not overlap the parts. Where the parts are read once, this is the\n"
          "shortest way from a list of arrays to one array. progress is that of\n"
          "DeviceArray.take().")
      .method<stack_as_numpy>("__array__($self, dtype=None, copy=None)",
                              "For NumPy: BufferError, since it cannot follow pointers.")
      .slot(Py_bf_getbuffer, get_stack_buffer)
      .repr<represent_stack>()
      .collected<traverse_stack>()
      .add_to(module);

  add_function<stack_of>(module, "stack($module, arrays)", "As multibuffer.stack.");
  add_function<from_pointers>(
      module, "from_pointers($module, pointers, shape, format, strides, device, owner)",
      "As multibuffer.from_pointers, which has the defaults.");
  add_function<rows_at>(
      module, "_rows_at($module, table, count, shape, strides, format, owner)",
      "For rows(): the address of a table of pointers, and what each of them leads to.");
}

}  // namespace multibuffer::python
