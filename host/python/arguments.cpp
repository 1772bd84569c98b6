#include "host/python/arguments.hpp"

#include "host/python/elements/dtype.hpp"
#include "host/python/support/attributes.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"

#include <utility>

namespace py = pybind11;

namespace multibuffer::python {

WantedElements wanted_elements(py::handle dtype, bool saturate) {
  WantedElements wanted;
  if (!dtype.is_none()) wanted.format = format_of_dtype(dtype);
  if (saturate) wanted.overflow = Overflow::saturate;
  return wanted;
}

std::optional<Scaling> scaling_argument(py::handle scale, py::handle bias, int channel_axis) {
  if (scale.is_none() && bias.is_none()) return std::nullopt;
  return Scaling{channel_axis, floats_argument(scale, "scale"), floats_argument(bias, "bias")};
}

StreamRef stream_argument(py::handle stream) {
  if (stream.is_none()) return {};
  py::object handle = py::reinterpret_borrow<py::object>(stream);
  if (const py::object method = find_attribute(stream, "__cuda_stream__")) {
    const py::object given = method();  // version, handle
    if (!PyTuple_Check(given.ptr()) || PyTuple_GET_SIZE(given.ptr()) != 2)
      throw py::type_error(
          text("stream.__cuda_stream__() must return a tuple of a version and a handle, not ",
               Py_TYPE(given.ptr())->tp_name));
    handle = py::reinterpret_borrow<py::object>(PyTuple_GET_ITEM(given.ptr(), 1));
  } else if (py::object torchs = find_attribute(stream, "cuda_stream")) {
    handle = std::move(torchs);
  } else if (py::object cupys = find_attribute(stream, "ptr")) {
    handle = std::move(cupys);
  }
  if (PyBool_Check(handle.ptr()) || !PyIndex_Check(handle.ptr()))
    throw py::type_error(
        text("stream must be a CUDA stream or its handle, not ", Py_TYPE(stream.ptr())->tp_name));
  return StreamRef::from_number(address_argument(handle, "stream"));
}

}  // namespace multibuffer::python
