#include <multibuffer/byte_order.hpp>
#include <multibuffer/device_buffer.hpp>
#include <multibuffer/dlpack.hpp>
#include <multibuffer/error.hpp>

#include "arguments.hpp"
#include "elements.hpp"
#include "exporter.hpp"
#include "host/text.hpp"
#include "interrupt.hpp"
#include "module.hpp"
#include "properties.hpp"

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
    const auto& buffer = py::handle(self).cast<const DeviceBuffer&>();
    if (!on_host(buffer)) {
      PyErr_Format(PyExc_BufferError, "this array is on %s; to_host() brings it here",
                   buffer.device().name().c_str());
      return -1;
    }
    constexpr const char* instead =
        "numpy.asarray() and DLPack take them, and astype(\"float32\") converts bfloat16";
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
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_BufferError, error.what());
  }
  return -1;
}

/// What both array interfaces have.
py::dict array_interface(const DeviceBuffer& buffer) {
  py::dict interface;
  interface["version"] = 3;
  interface["shape"] = to_tuple(buffer.shape());
  interface["typestr"] = type_string(buffer.format());
  const py::object description = type_description(buffer.format());
  if (!description.is_none()) interface["descr"] = description;
  interface["strides"] =
      buffer.is_c_contiguous() ? py::object(py::none()) : to_tuple(buffer.strides());
  const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());
  interface["data"] = py::make_tuple(buffer.size() == 0 ? 0 : address, false);
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
  // Not every consumer looks at the stream that the interface may name: all can read what is done.
  synchronize(buffer);
  py::dict interface = array_interface(buffer);
  interface["stream"] = py::none();
  return interface;
}

/// The dtype that ml_dtypes has registered with NumPy for elements that NumPy itself has no word
/// for.
py::object dtype_of_ml_dtypes(const Format& format) {
  py::object type;
  try {
    type = py::module_::import("ml_dtypes").attr(format.text().c_str());
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_ImportError) && !error.matches(PyExc_AttributeError)) throw;
    throw py::type_error(
        text("NumPy has no dtype for elements of type ", format.text(),
             ", and ml_dtypes, which "
             "has, could not be imported",
             format.text() == "bfloat16" ? ": astype(\"float32\") converts them" : ""));
  }
  return py::module_::import("numpy").attr("dtype")(type);
}

/// The same memory as unsigned integers.
DeviceBuffer as_integers(const DeviceBuffer& buffer) {
  const std::int64_t size = buffer.format().itemsize();
  return DeviceBuffer({.device = buffer.device(),
                       .format = Format(size == 1 ? "B" : "H", size),
                       .shape = buffer.shape(),
                       .strides = buffer.strides(),
                       .data = buffer.data(),
                       .memory = buffer.memory(),
                       .stream = buffer.stream(),
                       .pending = nullptr,
                       .owner = buffer.owner()});
}

/// An array of NumPy's over the same memory.
py::object shared_with_numpy(const py::object& self, const DeviceBuffer& buffer) {
  const py::object as_array = py::module_::import("numpy").attr("asarray");
  if (!dlpack::is_named_type(buffer.format())) return as_array(py::memoryview(self));
  const py::object own_dtype = dtype_of_ml_dtypes(buffer.format());
  return as_array(py::memoryview(py::cast(as_integers(buffer)))).attr("view")(own_dtype);
}

py::object as_numpy(const py::object& self, const py::object& dtype, const py::object& copy) {
  const auto& buffer = self.cast<const DeviceBuffer&>();
  if (!on_host(buffer))
    throw py::type_error("this array is on " + buffer.device().name() +
                         "; to_host() brings it to the host");
  const py::module_ numpy = py::module_::import("numpy");
  const py::object shared = shared_with_numpy(self, buffer);
  const py::object own = shared.attr("dtype");
  const py::object wanted = dtype.is_none() ? own : py::object(numpy.attr("dtype")(dtype));
  const bool is_other = !own.equal(wanted);
  const bool must_copy = flag_argument(copy, "copy");
  if (is_other && !copy.is_none() && !must_copy)
    throw py::value_error(text("elements of dtype ", dtype_name(buffer.format()), " become ",
                               py::str(wanted).cast<std::string>(),
                               " only by a copy, and copy=False"));
  if (is_other) return shared.attr("astype")(wanted);
  return must_copy ? py::object(shared.attr("copy")("K")) : shared;
}

bool contains(const DeviceBuffer& buffer, py::handle item) {
  if (is_compared_by_numpy(buffer.format(), item))
    return numpy_has(py::cast(to_host(buffer)), item);
  const HostBytes bytes(buffer);
  return any_equal(buffer.format(), buffer.shape(), bytes.data(), item);
}

std::string represent(const DeviceBuffer& buffer) {
  return text("DeviceBuffer(", shape_text(buffer.shape(), buffer.format()), ", device='",
              buffer.device().name(), "')");
}

}  // namespace

void bind_device_buffer(py::module_& module) {
  py::class_<DeviceBuffer> cls(
      module, "DeviceBuffer", py::custom_type_setup([](PyHeapTypeObject* type) {
        type->as_buffer.bf_getbuffer = get_buffer;
        type->ht_type.tp_as_buffer = &type->as_buffer;
      }),
      "A dense array in a device's memory: what gathers return.\n\n"
      "On the host it is an exporter: memoryview, numpy.asarray and torch.from_dlpack share its\n"
      "memory. On a GPU it goes to CuPy, torch, JAX and Numba through __dlpack__ and\n"
      "__cuda_array_interface__, without a copy.");
  bind_properties(
      cls, [](const DeviceBuffer& self) { return self.shape(); },
      [](const DeviceBuffer& self) -> const Format& { return self.format(); });
  cls.def_property_readonly(
      "strides", [](const DeviceBuffer& self) { return to_tuple(self.strides()); },
      "Bytes from one element to the next, for each axis.");
  cls.def_property_readonly(
      "device", [](const DeviceBuffer& self) { return self.device().name(); },
      "Whose memory the elements are in: 'host', 'cuda:0', ...");
  cls.def("synchronize", synchronize,
          "Wait for the work that fills this array; raise IndexError if an index that was on the\n"
          "device turned out to be out of range.");
  cls.def("tobytes", to_bytes, "The elements in C order, whatever the strides.");
  cls.def(
      "tolist",
      [](const DeviceBuffer& self) {
        return to_list(self.format(), self.shape(), HostBytes(self).data());
      },
      "The elements as nested lists; structs are tuples. TypeError where the format has no "
      "meaning.");
  cls.def("__contains__", contains, py::arg("item"),
          "Whether some element is equal to item, an object as tolist() gives them.");
  cls.def("to_host", to_host, "The same array in host memory: itself, if it is there.");
  cls.def(
      "native",
      [](const DeviceBuffer& self) {
        const DeviceArray array = in_place(source_of(self));
        return without_gil([&](const Watch& watch) { return to_native(array, nullptr, watch); });
      },
      "A copy in this machine's byte order.");
  cls.def(
      "astype",
      [](const DeviceBuffer& self, const py::object& dtype, bool saturate) {
        return py::cast(in_place(source_of(self)))
            .attr("astype")(dtype, py::arg("saturate") = saturate);
      },
      py::arg("dtype"), py::kw_only(), py::arg("saturate") = false,
      "A copy whose elements are converted, as DeviceArray.astype does while it gathers.");
  cls.def("__array__", as_numpy, py::arg("dtype") = py::none(), py::arg("copy") = py::none(),
          "For NumPy. TypeError for an array on a GPU: nothing is copied unasked.");
  cls.def_property_readonly("__array_interface__", host_interface,
                            "NumPy's array interface, version 3, of an array on the host.");
  cls.def_property_readonly("__cuda_array_interface__", cuda_interface,
                            "Numba's array interface, version 3, of an array on a GPU.");
  cls.def("__repr__", represent);
  bind_dlpack(cls);
  bind_exchange_table(cls);
}

}  // namespace multibuffer::python
