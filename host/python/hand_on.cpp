#include "host/python/hand_on.hpp"

#include <multibuffer/dlpack.hpp>

#include "host/python/elements/dtype.hpp"
#include "host/python/elements/elements.hpp"
#include "host/python/elements/numpy_array.hpp"
#include "host/python/inputs/exporter.hpp"
#include "host/python/inputs/source.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

bool is_on_host(const Device& device) { return device.kind() == DeviceKind::host; }

/// The call that brings an array of this class to the host.
template <class Self>
constexpr const char* to_host_call =
    std::is_same_v<Self, DeviceArray> ? "copy().to_host()" : "to_host()";

bool is_date(const Format& format) {
  return !format.opaque() && multibuffer::is_date(format.type());
}

/// Tells whether elements have fields, some of them dates.
bool has_dates(const Type& type) {
  const auto is_one = [](const Field& field) {
    return multibuffer::is_date(field.type) || has_dates(field.type);
  };
  return type.is_struct && std::ranges::any_of(type.fields, is_one);
}
bool has_dates(const Format& format) { return !format.opaque() && has_dates(format.type()); }

/// Tells whether elements are raw bytes, NumPy's void. Of 'x', which is PEP 3118's word for them,
/// NumPy makes a struct without fields, and of 's' a string, which ends at its last NULs.
bool is_void(const Format& format) {
  return !format.opaque() && !format.type().is_struct && format.type().kind == ScalarKind::padding;
}

// ---- The buffer protocol

/// The shape and the strides of an export, which are made for it and go with it. The memory is kept
/// by `view->obj`, the array: a share of it that Python cannot see would hide cycles.
struct Lent {
  std::vector<std::int64_t> shape, strides;
};

/// `format` is the array's own, which the export names as long as it lasts.
int give_buffer(PyObject* self, const DeviceBuffer& buffer, const Format& format, const Lent& lent,
                Py_buffer* view, int flags) {
  const bool is_struct = !format.opaque() && format.type().is_struct;
  const char* const instead =
      has_dates(format) ? "numpy.asarray() takes them"
      : is_struct       ? "take the fields one by one"
      : is_date(format)
          ? "numpy.asarray() takes them, and astype(\"int64\") gives their counts"
          : "numpy.asarray() and DLPack take them, and astype(\"float32\") converts them";
  if (refuses_format(format, flags, instead)) return -1;
  if ((flags & PyBUF_FORMAT) != 0 && is_void(format)) {
    PyErr_Format(PyExc_BufferError,
                 "the buffer protocol has no format that NumPy reads as raw bytes, %s: "
                 "numpy.asarray() takes them, and tobytes()",
                 type_string(format).c_str());
    return -1;
  }
  synchronize(buffer);
  const BufferExport source{.buf = buffer.data(),
                            .len = buffer.nbytes(),
                            .itemsize = format.itemsize(),
                            .readonly = buffer.readonly(),
                            .ndim = static_cast<int>(lent.shape.size()),
                            .format = format_for_consumers(format),
                            .shape = lent.shape.data(),
                            .strides = lent.strides.data(),
                            .suboffsets = nullptr};
  return export_buffer(self, source, view, flags);
}

/// Memory of a GPU has no address on the host.
template <class Self>
int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  try {
    const auto& array = value_in<const Self>(self);
    if (!is_on_host(array.device())) {
      PyErr_Format(PyExc_BufferError, "this array is on %s; %s brings it to the host",
                   array.device().name().c_str(), to_host_call<Self>);
      return -1;
    }
    const DeviceBuffer buffer = handed_on<py::buffer_error>(array).buffer;
    auto lent = std::make_unique<Lent>(Lent{buffer.shape(), buffer.strides()});
    const int status = give_buffer(self, buffer, array.format(), *lent, view, flags);
    if (status == 0) view->internal = lent.release();
    return status;
  } catch (...) {
    set_python_error();
  }
  return -1;
}

void release_buffer(PyObject*, Py_buffer* view) { delete static_cast<Lent*>(view->internal); }

// ---- The array interfaces

/// The fields that NumPy's interface and Numba's have in common. An array without elements is at
/// `address_of_nothing`.
py::dict array_interface(const HandedOn& given, std::uintptr_t address_of_nothing) {
  const DeviceBuffer& buffer = given.buffer;
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
  auto address = reinterpret_cast<std::uintptr_t>(buffer.data());
  if (buffer.size() == 0) address = address_of_nothing;
  PyTuple_SET_ITEM(data.ptr(), 0, py::int_(address).release().ptr());
  PyTuple_SET_ITEM(data.ptr(), 1, py::bool_(given.is_readonly).release().ptr());
  set("data", data);
  return interface;
}

template <class Self>
py::dict host_interface(const Self& array) {
  if (!is_on_host(array.device()))
    throw py::attribute_error("__array_interface__: the array is on " + array.device().name());
  // NumPy would take it for raw bytes, and never come to ask for __array__().
  if (dlpack::is_named_type(array.format()) && !is_date(array.format()))
    throw py::attribute_error("__array_interface__ has no type string for elements of type " +
                              array.format().text());
  // Of the bytes between fields, NumPy would make fields.
  if (has_dates(array.format()))
    throw py::attribute_error("__array_interface__ has no place for fields of format " +
                              array.format().text());
  const HandedOn given = handed_on<py::attribute_error>(array);
  synchronize(given.buffer);
  // At address 0, NumPy takes the array itself for an element.
  static constexpr std::byte nothing{};
  return array_interface(given, reinterpret_cast<std::uintptr_t>(&nothing));
}

template <class Self>
py::dict cuda_interface(const Self& array) {
  if (is_on_host(array.device()))
    throw py::attribute_error("__cuda_array_interface__: the array is on the host");
  const HandedOn given = handed_on<py::attribute_error>(array);
  if (const std::string why = misalignment(given.buffer); !why.empty())
    throw py::attribute_error("__cuda_array_interface__: " + why);
  without_gil([&](const Watch&) {
    // Not every consumer looks at the stream that the interface may name: all can read what is
    // done.
    given.buffer.synchronize();
    // Where a protocol names no stream, the legacy default stream is meant.
    given.buffer.order_before(StreamRef::legacy());
    return true;
  });
  py::dict interface = array_interface(given, 0);
  if (PyDict_SetItemString(interface.ptr(), "stream", Py_None) != 0) throw py::error_already_set();
  return interface;
}

// ---- NumPy

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

/// Describes the memory as elements of the same size that the buffer protocol has a format for.
DeviceBuffer as_others(const DeviceBuffer& buffer) {
  const std::int64_t size = buffer.format().itemsize();
  return buffer.reinterpret(Format(size == 1 ? "B" : size == 2 ? "H" : text(size, 's'), size));
}

py::object memory_view_of(py::handle object) {
  auto view = py::reinterpret_steal<py::object>(PyMemoryView_FromObject(object.ptr()));
  if (!view) throw py::error_already_set();
  return view;
}

/// An array of NumPy's over the memory that `self` hands on.
py::object shared_with_numpy(py::handle self, const HandedOn& given) {
  const py::object as_array = py::module_::import("numpy").attr("asarray");
  const Format& format = given.buffer.format();
  const bool is_numpys = is_date(format) || has_dates(format) || is_void(format);
  if (!is_numpys && !dlpack::is_named_type(format)) return as_array(memory_view_of(self));
  const py::object own_dtype =
      is_numpys ? numpy_dtype_of(format.type()) : dtype_of_ml_dtypes(format);
  const py::object others = as_array(memory_view_of(wrap(as_others(given.buffer))));
  return others.attr("view")(own_dtype);
}

template <class Self>
py::object as_numpy(py::handle self, const py::object& dtype, std::optional<bool> copy) {
  const auto& array = value_in<const Self>(self.ptr());
  if (!is_on_host(array.device()))
    throw py::type_error(text("this array is on ", array.device().name(), "; ", to_host_call<Self>,
                              " brings it to the host"));
  const std::optional<HandedOn> given = find_handed_on(array);
  if constexpr (std::is_same_v<Self, DeviceArray>) {
    if (!given) {
      if (!copy.value_or(true))
        throw py::value_error("an array of pointers becomes a NumPy array only by a copy");
      const py::object dense = wrap(dense_copy(array));
      return as_numpy<DeviceBuffer>(dense, dtype, std::nullopt);
    }
  }
  const py::object shared = shared_with_numpy(self, *given);
  const py::object own = shared.attr("dtype");
  const py::object wanted = dtype.is_none() ? own : numpy_dtype(dtype);
  const bool is_other = !own.equal(wanted);
  if (is_other && !copy.value_or(true))
    throw py::value_error(text("elements of dtype ", dtype_name(array.format()), " become ",
                               str_of(wanted), " only by a copy, and copy=False"));
  if (is_other) return shared.attr("astype")(wanted);
  return copy.value_or(false) ? py::object(shared.attr("copy")("K")) : shared;
}

}  // namespace

void synchronize(const DeviceBuffer& buffer) {
  without_gil([&](const Watch&) {
    buffer.synchronize();
    return true;
  });
}

std::optional<HandedOn> find_handed_on(const DeviceBuffer& buffer) {
  return HandedOn{buffer, buffer.readonly()};
}

std::optional<HandedOn> find_handed_on(const DeviceArray& array) {
  std::optional<DeviceBuffer> buffer = array.as_buffer();
  if (!buffer) return {};
  const bool is_foreign = array.placement() == PlacementKind::in_place;
  return HandedOn{*std::move(buffer), true, is_foreign && is_on_host(array.device())};
}

std::string refusal(const DeviceArray& array) {
  return text(
      array.layout().levels() > 0
          ? "this array goes through pointer tables, which no such protocol can say"
          : "the rows of this array came to the GPU in several blocks (keep_sources), whose "
            "uses no such protocol can order",
      ": copy() returns its elements as one block of memory");
}

std::string misalignment(const DeviceBuffer& buffer) {
  const Format& format = buffer.format();
  if (is_on_host(buffer.device()) || buffer.size() == 0) return {};
  std::int64_t unit = format.itemsize();
  if (!dlpack::is_named_type(format)) {
    // Consumers see that structs may be packed, and strings are bytes.
    if (format.opaque() || format.type().is_struct) return {};
    const ScalarKind kind = format.type().kind;
    if (kind == ScalarKind::complex)
      unit /= 2;
    else if (kind != ScalarKind::real && kind != ScalarKind::signed_integer &&
             kind != ScalarKind::unsigned_integer)
      return {};
  }
  const auto says = [&](const std::string& what) {
    return text(what, " is not a multiple of the ", unit,
                " bytes that a GPU loads at once: copy() returns the elements aligned");
  };
  if (reinterpret_cast<std::uintptr_t>(buffer.data()) % static_cast<std::uintptr_t>(unit) != 0)
    return says("the array's address");
  for (std::size_t i = 0; i < buffer.shape().size(); ++i)
    if (buffer.shape()[i] > 1 && buffer.strides()[i] % unit != 0)
      return says(text("the stride of axis ", i, ", ", buffer.strides()[i], " bytes,"));
  return {};
}

template <class Self>
void bind_hand_on(Class<Self>& cls) {
  cls.template method<as_numpy<Self>>(
         "__array__($self, dtype=None, copy=None)",
         "For NumPy: the elements where they are or, of an array with pointer tables, a copy.\n"
         "TypeError for an array on a GPU: nothing is fetched unasked.")
      .template property<host_interface<Self>>(
          "__array_interface__", "NumPy's array interface, version 3, of an array on the host.")
      .template property<cuda_interface<Self>>(
          "__cuda_array_interface__", "Numba's array interface, version 3, of an array on a GPU.")
      .slot(Py_bf_getbuffer, get_buffer<Self>)
      .slot(Py_bf_releasebuffer, release_buffer);
}

template void bind_hand_on(Class<DeviceBuffer>& cls);
template void bind_hand_on(Class<DeviceArray>& cls);

}  // namespace multibuffer::python
