// Exporters of the buffer protocol that say exactly what a test wants them to say, right or wrong;
// and pybind11's own way of reading one, to be shown beside ours.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace py = pybind11;

namespace {

using Numbers = std::optional<std::vector<Py_ssize_t>>;

struct Exporter {
  std::uintptr_t buf = 0;
  Py_ssize_t len = 0;
  Py_ssize_t itemsize = 1;
  int ndim = 1;
  bool readonly = true;
  std::optional<std::string> format;
  Numbers shape, strides, suboffsets;
  py::object keep = py::none();          ///< what `buf` points into
  py::object on_getbuffer = py::none();  ///< called with the exporter first; may raise
  py::object on_release = py::none();
  std::string misbehave;  ///< "silent": fails without an exception; "both": succeeds with one
  int acquired = 0, released = 0;
};

Py_ssize_t* data_of(Numbers& numbers) { return numbers ? numbers->data() : nullptr; }

int get_buffer(PyObject* self, Py_buffer* view, int) {
  auto& exporter = py::handle(self).cast<Exporter&>();
  view->obj = nullptr;
  if (!exporter.on_getbuffer.is_none()) {
    try {
      exporter.on_getbuffer(py::handle(self));
    } catch (py::error_already_set& error) {
      error.restore();
      return -1;
    }
  }
  if (exporter.misbehave == "silent") return -1;
  view->buf = reinterpret_cast<void*>(exporter.buf);
  view->len = exporter.len;
  view->itemsize = exporter.itemsize;
  view->readonly = exporter.readonly;
  view->ndim = exporter.ndim;
  view->format = exporter.format ? exporter.format->data() : nullptr;
  view->shape = data_of(exporter.shape);
  view->strides = data_of(exporter.strides);
  view->suboffsets = data_of(exporter.suboffsets);
  view->internal = nullptr;
  view->obj = py::handle(self).inc_ref().ptr();
  ++exporter.acquired;
  if (exporter.misbehave == "both") PyErr_SetString(PyExc_RuntimeError, "and yet it failed");
  return 0;
}

void release_buffer(PyObject* self, Py_buffer*) {
  auto& exporter = py::handle(self).cast<Exporter&>();
  ++exporter.released;
  if (exporter.on_release.is_none()) return;
  try {
    exporter.on_release(py::handle(self));
  } catch (py::error_already_set& error) {
    error.discard_as_unraisable("releasebuffer");
  }
}

/// The elements as a user of `py::buffer_info` reads them, who has never heard of suboffsets.
py::bytes read_with_pybind11(const py::buffer& buffer) {
  const py::buffer_info info = buffer.request();
  std::string bytes;
  std::vector<Py_ssize_t> index(static_cast<std::size_t>(info.ndim));
  const auto advance = [&] {
    for (std::size_t i = index.size(); i-- > 0; index[i] = 0)
      if (++index[i] < info.shape[i]) return true;
    return false;
  };
  do {
    const char* element = static_cast<const char*>(info.ptr);
    for (std::size_t i = 0; i < index.size(); ++i) element += index[i] * info.strides[i];
    bytes.append(element, static_cast<std::size_t>(info.itemsize));
  } while (advance());
  return bytes;
}

}  // namespace

PYBIND11_MODULE(_exporters, module) {
  py::class_<Exporter>(module, "Exporter", py::custom_type_setup([](PyHeapTypeObject* type) {
                         type->as_buffer.bf_getbuffer = get_buffer;
                         type->as_buffer.bf_releasebuffer = release_buffer;
                         type->ht_type.tp_as_buffer = &type->as_buffer;
                       }))
      .def(py::init<>())
      .def_readwrite("buf", &Exporter::buf)
      .def_readwrite("len", &Exporter::len)
      .def_readwrite("itemsize", &Exporter::itemsize)
      .def_readwrite("ndim", &Exporter::ndim)
      .def_readwrite("readonly", &Exporter::readonly)
      .def_readwrite("format", &Exporter::format)
      .def_readwrite("shape", &Exporter::shape)
      .def_readwrite("strides", &Exporter::strides)
      .def_readwrite("suboffsets", &Exporter::suboffsets)
      .def_readwrite("keep", &Exporter::keep)
      .def_readwrite("on_getbuffer", &Exporter::on_getbuffer)
      .def_readwrite("on_release", &Exporter::on_release)
      .def_readwrite("misbehave", &Exporter::misbehave)
      .def_readonly("acquired", &Exporter::acquired)
      .def_readonly("released", &Exporter::released);
  module.def("read_with_pybind11", read_with_pybind11);
}
