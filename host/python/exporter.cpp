#include "exporter.hpp"

#include "gil.hpp"

#include <algorithm>
#include <type_traits>

namespace py = pybind11;

// Ownership: a `HeldBuffer` holds the only reference to an export. Whatever reads the memory holds
// the `HeldBuffer`: a call, until its last read; an array in place, as long as it lives.
//
// The request is always FULL_RO. Exporters that hand out suboffsets which nobody asked for, or drop
// them where they should raise, are right only then.

namespace multibuffer::python {

static_assert(std::is_same_v<Py_ssize_t, std::int64_t>, "the fields are passed on as they are");

namespace {

/// NumPy has dates and time spans, and the buffer protocol has no format for them.
void explain_dates(py::handle exporter) {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  const auto kind = py::reinterpret_steal<py::object>([&]() -> PyObject* {
    const auto dtype =
        py::reinterpret_steal<py::object>(PyObject_GetAttrString(exporter.ptr(), "dtype"));
    return dtype ? PyObject_GetAttrString(dtype.ptr(), "kind") : nullptr;
  }());
  PyErr_Clear();
  const bool is_date = kind && PyUnicode_Check(kind.ptr()) &&
                       (PyUnicode_CompareWithASCIIString(kind.ptr(), "M") == 0 ||
                        PyUnicode_CompareWithASCIIString(kind.ptr(), "m") == 0);
  PyErr_Restore(type, value, traceback);
  if (is_date)
    py::raise_from(PyExc_BufferError,
                   "the buffer protocol has no format for NumPy's dates and times; give "
                   "array.view('i8'), and view the result with its dtype again");
}

}  // namespace

void acquire_buffer(py::handle exporter, int flags, Py_buffer& buffer) {
  const int status = PyObject_GetBuffer(exporter.ptr(), &buffer, flags);
  if (status == 0 && !PyErr_Occurred()) return;
  if (status == 0) {
    // It returned a buffer and raised at once: whatever it meant, the buffer goes back.
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyBuffer_Release(&buffer);
    PyErr_Restore(type, value, traceback);
  } else if (!PyErr_Occurred()) {
    PyErr_Format(PyExc_BufferError, "%s refused a buffer without saying why",
                 Py_TYPE(exporter.ptr())->tp_name);
  } else if (PyErr_ExceptionMatches(PyExc_ValueError) ||
             PyErr_ExceptionMatches(PyExc_BufferError)) {
    explain_dates(exporter);
  }
  throw py::error_already_set();
}

HeldBuffer::~HeldBuffer() {
  // After the interpreter has gone there is nobody to give it back to.
  if (!Py_IsInitialized()) return;
  const LettingGo guard;
  PyBuffer_Release(&buffer_);
}

BufferExport Description::borrowed(const Py_buffer& buffer) {
  return {.buf = buffer.buf,
          .len = buffer.len,
          .itemsize = buffer.itemsize,
          .readonly = buffer.readonly != 0,
          .ndim = buffer.ndim,
          .format = buffer.format,
          .shape = buffer.shape,
          .strides = buffer.strides,
          .suboffsets = buffer.suboffsets};
}

Description::Description(const BufferExport& source)
    : fields_(source),
      has_format_(source.format),
      has_shape_(source.shape),
      has_strides_(source.strides),
      has_suboffsets_(source.suboffsets),
      format_(source.format ? source.format : "") {
  // How far the arrays reach is the exporter's word for ndim; out of range, nothing is read, and
  // whoever validates the fields refuses them.
  if (source.ndim < 0 || source.ndim > max_axes) return;
  const auto ndim = static_cast<std::size_t>(source.ndim);
  if (source.shape) shape_.assign(source.shape, source.shape + ndim);
  if (source.strides) strides_.assign(source.strides, source.strides + ndim);
  if (source.suboffsets) suboffsets_.assign(source.suboffsets, source.suboffsets + ndim);
}

Description::Description(const ArrayView& direct) {
  fields_.buf = start_of(direct);
  fields_.len = direct.nbytes();
  fields_.itemsize = direct.itemsize();
  fields_.readonly = direct.readonly();
  fields_.ndim = direct.ndim();
  has_format_ = has_shape_ = has_strides_ = true;
  format_ = direct.format().text();
  for (const Axis& axis : direct.layout().axes()) {
    shape_.push_back(axis.extent);
    strides_.push_back(axis.stride);
  }
}

BufferExport Description::raw() const {
  // An empty vector's data may be NULL, which for an array without axes says the same.
  BufferExport result = fields_;
  result.format = has_format_ ? format_.c_str() : nullptr;
  result.shape = has_shape_ ? shape_.data() : nullptr;
  result.strides = has_strides_ ? strides_.data() : nullptr;
  result.suboffsets = has_suboffsets_ ? suboffsets_.data() : nullptr;
  return result;
}

bool Description::matches(const Py_buffer& buffer) const {
  if (buffer.ndim != fields_.ndim || buffer.itemsize != fields_.itemsize ||
      buffer.len != fields_.len || (buffer.readonly != 0) != fields_.readonly)
    return false;
  const auto same = [&](const Py_ssize_t* numbers, bool given,
                        const std::vector<std::int64_t>& ours) {
    return (numbers != nullptr) == given && std::equal(ours.begin(), ours.end(), numbers);
  };
  return same(buffer.shape, has_shape_, shape_) && same(buffer.strides, has_strides_, strides_) &&
         same(buffer.suboffsets, has_suboffsets_, suboffsets_) &&
         (buffer.format != nullptr) == has_format_ && (!buffer.format || format_ == buffer.format);
}

namespace {

/// Whether the elements lie one after the other, in C order or, walked the other way, in Fortran
/// order.
bool is_contiguous(const BufferExport& source, bool c_order) {
  if (source.suboffsets) return false;
  std::int64_t stride = source.itemsize;
  for (int n = 0; n < source.ndim; ++n) {
    const int i = c_order ? source.ndim - 1 - n : n;
    if (source.shape[i] == 0) return true;
    if (source.shape[i] != 1 && source.strides[i] != stride) return false;
    stride *= source.shape[i];
  }
  return true;
}

/// Why a consumer that asks with `flags` cannot have `source`, or nullptr.
const char* refusal(const BufferExport& source, int flags) {
  // The flags nest: each is several bits, and all of them must be there.
  const auto asks = [flags](int flag) { return (flags & flag) == flag; };
  const bool c = is_contiguous(source, true);
  const bool f = is_contiguous(source, false);
  if (asks(PyBUF_WRITABLE) && source.readonly) return "the array is read-only";
  if (source.suboffsets && !asks(PyBUF_INDIRECT))
    return "the array is made of pointers: ask for suboffsets (PyBUF_INDIRECT)";
  if (asks(PyBUF_C_CONTIGUOUS) && !c) return "the array is not C-contiguous";
  if (asks(PyBUF_F_CONTIGUOUS) && !f) return "the array is not Fortran-contiguous";
  if (asks(PyBUF_ANY_CONTIGUOUS) && !c && !f) return "the array is not contiguous";
  if (!asks(PyBUF_STRIDES) && !c) return "the array is not C-contiguous: ask for strides";
  if (!asks(PyBUF_ND) && asks(PyBUF_FORMAT)) return "a format without a shape";
  return nullptr;
}

}  // namespace

int export_buffer(PyObject* exporter, const BufferExport& source, Py_buffer* buffer, int flags) {
  buffer->obj = nullptr;
  if (const char* why = refusal(source, flags)) {
    PyErr_SetString(PyExc_BufferError, why);
    return -1;
  }
  const auto asks = [flags](int flag) { return (flags & flag) == flag; };
  const auto given = [](const std::int64_t* numbers) { return const_cast<Py_ssize_t*>(numbers); };
  buffer->buf = const_cast<void*>(source.buf);
  buffer->len = *source.len;
  buffer->itemsize = source.itemsize;
  buffer->readonly = source.readonly;
  buffer->ndim = source.ndim;
  buffer->format = asks(PyBUF_FORMAT) ? const_cast<char*>(source.format) : nullptr;
  const bool axes = source.ndim > 0;
  buffer->shape = axes && asks(PyBUF_ND) ? given(source.shape) : nullptr;
  buffer->strides = axes && asks(PyBUF_STRIDES) ? given(source.strides) : nullptr;
  buffer->suboffsets = axes && asks(PyBUF_INDIRECT) ? given(source.suboffsets) : nullptr;
  buffer->internal = nullptr;
  // PyBUF_SIMPLE: one axis of bytes, as long as `len` says.
  if (!asks(PyBUF_ND)) buffer->ndim = 1;
  Py_INCREF(exporter);
  buffer->obj = exporter;
  return 0;
}

}  // namespace multibuffer::python
