#include <multibuffer/byte_order.hpp>
#include <multibuffer/device_buffer.hpp>
#include <multibuffer/dlpack.hpp>
#include <multibuffer/error.hpp>

#include "host/python/arguments.hpp"
#include "host/python/elements/elements.hpp"
#include "host/python/elements/numpy_array.hpp"
#include "host/python/inputs/exporter.hpp"
#include "host/python/inputs/source.hpp"
#include "host/python/module.hpp"
#include "host/python/properties.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"

#include <optional>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

bool on_host(const DeviceBuffer& buffer) { return buffer.device().kind() == DeviceKind::host; }

void synchronize(const DeviceBuffer& buffer) {
  without_gil([&](const Watch&) {
    buffer.synchronize();
    return true;
  });
}

/// The elements in C order: where they are, or a copy.
class HostBytes {
 public:
  explicit HostBytes(const DeviceBuffer& buffer) {
    if (on_host(buffer) && buffer.is_c_contiguous()) {
      synchronize(buffer);
      data_ = buffer.data();
    } else {
      copy_ = without_gil([&](const Watch&) { return buffer.to_host(); });
      data_ = copy_.data();
    }
  }
  HostBytes(const HostBytes&) = delete;
  HostBytes& operator=(const HostBytes&) = delete;
  const std::byte* data() const { return data_; }

 private:
  std::vector<std::byte> copy_;
  const std::byte* data_ = nullptr;
};

py::bytes to_bytes(const DeviceBuffer& buffer) {
  const HostBytes bytes(buffer);
  return {reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(buffer.nbytes())};
}

DeviceBuffer to_host(const DeviceBuffer& buffer) {
  if (on_host(buffer)) return buffer;
  const HostBytes bytes(buffer);
  return DeviceBuffer::from_host(Device::host(), bytes.data(), buffer.shape(), buffer.format());
}

/// The buffer protocol. What is on a GPU has no address here.
int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  try {
    const auto& buffer = value_in<const DeviceBuffer>(self);
    if (!on_host(buffer)) {
      PyErr_Format(PyExc_BufferError, "this array is on %s; to_host() brings it here",
                   buffer.device().name().c_str());
      return -1;
    }
    constexpr const char* instead =
        "numpy.asarray() and DLPack take them, and astype(\"float32\") converts them";
    if (refuses_format(buffer.format(), flags, instead)) return -1;
    synchronize(buffer);
    const BufferExport source{.buf = buffer.data(),
                              .len = buffer.nbytes(),
                              .itemsize = buffer.format().itemsize(),
                              .readonly = false,
                              .ndim = static_cast<int>(buffer.shape().size()),
                              .format = format_for_consumers(buffer.format()),
                              .shape = buffer.shape().data(),
                              .strides = buffer.strides().data(),
                              .suboffsets = nullptr};
    return export_buffer(self, source, view, flags);
  } catch (...) {
    set_python_error();
  }
  return -1;
}

/// What both array interfaces have.
py::dict array_interface(const DeviceBuffer& buffer) {
  py::dict interface;
  const auto set = [&](const char* key, const py::object& value) {
    if (PyDict_SetItemString(interface.ptr(), key, value.ptr()) != 0) throw py::error_already_set();
  };
  set("version", py::int_(3));
  set("shape", to_tuple(buffer.shape()));
  set("typestr", py::str(type_string(buffer.format())));
  const py::object description = type_description(buffer.format());
  if (!description.is_none()) set("descr", description);
  set("strides", buffer.is_c_contiguous() ? py::object(py::none()) : to_tuple(buffer.strides()));
  py::tuple data(2);
  const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());
  PyTuple_SET_ITEM(data.ptr(), 0, py::int_(buffer.size() == 0 ? 0 : address).release().ptr());
  PyTuple_SET_ITEM(data.ptr(), 1, py::bool_(false).release().ptr());
  set("data", data);
  return interface;
}

py::dict host_interface(const DeviceBuffer& buffer) {
  if (!on_host(buffer))
    throw py::attribute_error("__array_interface__: the array is on " + buffer.device().name());
  // NumPy would take it for raw bytes, and never come to ask for __array__().
  if (dlpack::is_named_type(buffer.format()))
    throw py::attribute_error("__array_interface__ has no type string for elements of type " +
                              buffer.format().text());
  synchronize(buffer);
  return array_interface(buffer);
}

py::dict cuda_interface(const DeviceBuffer& buffer) {
  if (on_host(buffer))
    throw py::attribute_error("__cuda_array_interface__: the array is on the host");
  without_gil([&](const Watch&) {
    // Not every consumer looks at the stream that the interface may name: all can read what is
    // done.
    buffer.synchronize();
    // Where a protocol names no stream, the legacy default stream is meant.
    buffer.order_before(StreamRef::legacy());
    return true;
  });
  py::dict interface = array_interface(buffer);
  if (PyDict_SetItemString(interface.ptr(), "stream", Py_None) != 0) throw py::error_already_set();
  return interface;
}

/// Returns the dtype that ml_dtypes has registered with NumPy for elements that NumPy itself has no
/// word for, in their byte order.
py::object dtype_of_ml_dtypes(const Format& format) {
  const std::string native = dtype_name(format_of(native_type(format.type())));
  py::object type;
  try {
    type = py::module_::import("ml_dtypes").attr(native.c_str());
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_ImportError) && !error.matches(PyExc_AttributeError)) throw;
    throw py::type_error(text(
        "NumPy has no dtype for elements of type ", format.text(),
        ", and ml_dtypes, which has, could not be imported: astype(\"float32\") converts them"));
  }
  const py::object dtype = py::module_::import("numpy").attr("dtype")(type);
  return is_native(format.type()) ? dtype : dtype.attr("newbyteorder")();
}

/// The same memory as unsigned integers.
DeviceBuffer as_integers(const DeviceBuffer& buffer) {
  const std::int64_t size = buffer.format().itemsize();
  return buffer.reinterpret(Format(size == 1 ? "B" : "H", size));
}

py::object memory_view_of(py::handle object) {
  auto view = py::reinterpret_steal<py::object>(PyMemoryView_FromObject(object.ptr()));
  if (!view) throw py::error_already_set();
  return view;
}

/// An array of NumPy's over the same memory.
py::object shared_with_numpy(py::handle self, const DeviceBuffer& buffer) {
  const py::object as_array = py::module_::import("numpy").attr("asarray");
  if (!dlpack::is_named_type(buffer.format())) return as_array(memory_view_of(self));
  const py::object own_dtype = dtype_of_ml_dtypes(buffer.format());
  return as_array(memory_view_of(wrap(as_integers(buffer)))).attr("view")(own_dtype);
}

py::object as_numpy(py::handle self, const py::object& dtype, std::optional<bool> copy) {
  const auto& buffer = value_in<const DeviceBuffer>(self.ptr());
  if (!on_host(buffer))
    throw py::type_error("this array is on " + buffer.device().name() +
                         "; to_host() brings it to the host");
  const py::object shared = shared_with_numpy(self, buffer);
  const py::object own = shared.attr("dtype");
  const py::object wanted = dtype.is_none() ? own : numpy_dtype(dtype);
  const bool is_other = !own.equal(wanted);
  if (is_other && !copy.value_or(true))
    throw py::value_error(text("elements of dtype ", dtype_name(buffer.format()), " become ",
                               str_of(wanted), " only by a copy, and copy=False"));
  if (is_other) return shared.attr("astype")(wanted);
  return copy.value_or(false) ? py::object(shared.attr("copy")("K")) : shared;
}

bool contains(const DeviceBuffer& buffer, py::handle item) {
  if (is_compared_by_numpy(buffer.format(), item)) return numpy_has(wrap(to_host(buffer)), item);
  const HostBytes bytes(buffer);
  return any_equal(buffer.format(), buffer.shape(), bytes.data(), item);
}

py::object to_lists(const DeviceBuffer& buffer) {
  return to_list(buffer.format(), buffer.shape(), HostBytes(buffer).data());
}

DeviceBuffer native(const DeviceBuffer& buffer, py::handle stream) {
  const StreamRef handle = stream_argument(stream);
  const DeviceArray array = in_place(source_of(buffer));
  return without_gil([&](const Watch& watch) { return to_native(array, {handle, watch}); });
}

DeviceBuffer as_type(const DeviceBuffer& buffer, const py::object& dtype, bool saturate,
                     py::handle stream) {
  if (dtype.is_none()) throw py::type_error("astype(None): name the dtype");
  return converted_copy(in_place(source_of(buffer)), wanted_elements(dtype, saturate),
                        stream_argument(stream));
}

py::tuple strides_of(const DeviceBuffer& buffer) { return to_tuple(buffer.strides()); }
std::string device_of(const DeviceBuffer& buffer) { return buffer.device().name(); }
const std::vector<std::int64_t>& shape_of(const DeviceBuffer& buffer) { return buffer.shape(); }
const Format& format_of_buffer(const DeviceBuffer& buffer) { return buffer.format(); }

std::string represent(const DeviceBuffer& buffer) {
  return text("DeviceBuffer(", shape_text(buffer.shape(), buffer.format()), ", device='",
              buffer.device().name(), "')");
}

}  // namespace

void bind_device_buffer(py::module_& module) {
  Class<DeviceBuffer> cls(
      "DeviceBuffer",
      "A dense array in a device's memory: what gathers return.\n\n"
      "On the host it is an exporter: memoryview, numpy.asarray and torch.from_dlpack share its\n"
      "memory. On a GPU it goes to CuPy, torch, JAX and Numba through __dlpack__ and\n"
      "__cuda_array_interface__, without a copy.");
  bind_properties<shape_of, format_of_buffer>(cls);
  cls.property<strides_of>("strides", "Bytes from one element to the next, for each axis.")
      .property<device_of>("device", "Whose memory the elements are in: 'host', 'cuda:0', ...")
      .method<synchronize>(
          "synchronize($self)",
          "Wait for the work that fills this array; raise IndexError if an index that was on the\n"
          "device turned out to be out of range.")
      .method<to_bytes>("tobytes($self)", "The elements in C order, whatever the strides.")
      .method<to_lists>(
          "tolist($self)",
          "The elements as nested lists; structs are tuples. TypeError where the format has no "
          "meaning.")
      .method<to_host>("to_host($self)", "The same array in host memory: itself, if it is there.")
      .method<native>("native($self, *, stream=None)", "A copy in this machine's byte order.")
      .method<as_type>(
          "astype($self, dtype, *, saturate=False, stream=None)",
          "A copy whose elements are converted, as DeviceArray.astype does while it gathers.")
      .method<as_numpy>("__array__($self, dtype=None, copy=None)",
                        "For NumPy. TypeError for an array on a GPU: nothing is copied unasked.")
      .property<host_interface>("__array_interface__",
                                "NumPy's array interface, version 3, of an array on the host.")
      .property<cuda_interface>("__cuda_array_interface__",
                                "Numba's array interface, version 3, of an array on a GPU.")
      .contains<contains>()
      .slot(Py_bf_getbuffer, get_buffer)
      .collected()
      .repr<represent>();
  bind_dlpack(cls);
  add_exchange_table(cls.add_to(module));
}

}  // namespace multibuffer::python
