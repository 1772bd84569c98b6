// An exporter of row pointers, and what C has for making one block of memory out of such an array.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace {

/// Says of somebody's memory what it is told to say. Borrows it: `keep` is what owns it.
struct PointerArray {
  std::uintptr_t address;
  std::vector<Py_ssize_t> shape, strides, suboffsets;
  std::string format;
  Py_ssize_t itemsize;
  py::object keep;
};

int get_buffer(PyObject* self, Py_buffer* view, int) {
  auto& array = py::handle(self).cast<PointerArray&>();
  view->buf = reinterpret_cast<void*>(array.address);
  view->itemsize = array.itemsize;
  view->len = array.itemsize;
  for (const Py_ssize_t extent : array.shape) view->len *= extent;
  view->readonly = 1;
  view->ndim = static_cast<int>(array.shape.size());
  view->format = array.format.data();
  view->shape = array.shape.data();
  view->strides = array.strides.data();
  view->suboffsets = array.suboffsets.data();
  view->internal = nullptr;
  view->obj = py::handle(self).inc_ref().ptr();
  return 0;
}

/// Calls `work(begin, end)` for `threads` equal parts of [0, count), each in a thread of its own.
template <class Work>
void in_threads(std::size_t count, int threads, const Work& work) {
  const py::gil_scoped_release unlocked;
  const auto parts = static_cast<std::size_t>(threads);
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < parts; ++i)
    others.emplace_back(work, count * i / parts, count * (i + 1) / parts);
  work(0, count / parts);
}

char* writable(const py::buffer& buffer) { return static_cast<char*>(buffer.request(true).ptr); }

/// A memcpy for each of the row pointers in `table`.
void memcpy_rows(const py::buffer& table, std::size_t row_bytes, const py::buffer& out,
                 int threads) {
  const py::buffer_info info = table.request();
  const auto* rows = static_cast<const char* const*>(info.ptr);
  char* to = writable(out);
  in_threads(static_cast<std::size_t>(info.size), threads, [=](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) std::memcpy(to + i * row_bytes, rows[i], row_bytes);
  });
}

/// One memcpy of everything, or one a thread.
void memcpy_all(const py::buffer& source, const py::buffer& out, int threads) {
  const py::buffer_info info = source.request();
  const auto* from = static_cast<const char*>(info.ptr);
  char* to = writable(out);
  in_threads(static_cast<std::size_t>(info.size * info.itemsize), threads,
             [=](std::size_t begin, std::size_t end) {
               std::memcpy(to + begin, from + begin, end - begin);
             });
}

/// CPython's own, of any exporter.
void to_contiguous(const py::object& exporter, const py::buffer& out) {
  Py_buffer view;
  if (PyObject_GetBuffer(exporter.ptr(), &view, PyBUF_FULL_RO) != 0) throw py::error_already_set();
  const int failed = PyBuffer_ToContiguous(writable(out), &view, view.len, 'C');
  PyBuffer_Release(&view);
  if (failed != 0) throw py::error_already_set();
}

}  // namespace

PYBIND11_MODULE(plain_copies, module) {
  py::class_<PointerArray>(module, "PointerArray",
                           py::custom_type_setup([](PyHeapTypeObject* type) {
                             type->as_buffer.bf_getbuffer = get_buffer;
                             type->ht_type.tp_as_buffer = &type->as_buffer;
                           }))
      .def(py::init([](std::uintptr_t address, std::vector<Py_ssize_t> shape,
                       std::vector<Py_ssize_t> strides, std::vector<Py_ssize_t> suboffsets,
                       std::string format, Py_ssize_t itemsize, py::object keep) {
        return PointerArray{
            address,           std::move(shape), std::move(strides), std::move(suboffsets),
            std::move(format), itemsize,         std::move(keep)};
      }));
  module.def("memcpy_rows", memcpy_rows);
  module.def("memcpy_all", memcpy_all);
  module.def("to_contiguous", to_contiguous);
}
