#include "host/python/inputs/exporter.hpp"

#include <multibuffer/dlpack.hpp>

#include "host/python/elements/dtype.hpp"
#include "host/python/elements/numpy_array.hpp"
#include "host/python/inputs/struct_format.hpp"
#include "host/python/support/gil.hpp"
#include "host/python/support/values.hpp"
#include "host/support/native_order.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <exception>
#include <map>
#include <optional>
#include <set>
#include <string>
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

/// The first field of a dtype that the buffer protocol has no format for; empty if there is none.
std::string field_without_format(const py::object& dtype) {
  if (dtype.attr("names").is_none()) return {};
  for (const py::handle name : dtype.attr("names")) {
    const py::object type = dtype.attr("fields")[name][py::int_(0)].attr("base");
    if (integer_argument(type.attr("num"), "num") >= first_registered_number)
      return text("'", text_of(name), "', of dtype ", str_of(type));
    if (std::string inner = field_without_format(type); !inner.empty()) return inner;
  }
  return {};
}

/// NumPy has the numbers of other packages, and the buffer protocol no format for them: says what
/// will do in place of the exception that is set.
void explain_dtype(py::handle exporter) {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  std::string why;
  try {
    const std::string field = field_without_format(exporter.attr("dtype"));
    if (!field.empty())
      why = text("the buffer protocol has no format for field ", field,
                 "; give each field's array on its own");
  } catch (const std::exception&) {
    // It is no array of NumPy's.
  }
  PyErr_Restore(type, value, traceback);
  if (!why.empty()) py::raise_from(PyExc_BufferError, why.c_str());
}

/// A number that some other package has registered with NumPy, as ml_dtypes has bfloat16 and int4:
/// of these, a buffer of NumPy's has no word.
struct RegisteredNumber {
  std::string name;
  std::int64_t size = 0;
  std::string order;  ///< '<' or '>' in front of the name, if it is not this machine's
};

std::optional<RegisteredNumber> registered_number(py::handle exporter) {
  const std::optional<py::object> dtype = registered_dtype(exporter);
  if (!dtype) return {};
  RegisteredNumber number{
      dtype->attr("name").cast<std::string>(), dtype->attr("itemsize").cast<std::int64_t>(), {}};
  if (!py::bool_(dtype->attr("isnative"))) number.order = native_little ? ">" : "<";
  // Other types, strings for instance, are NumPy's to refuse.
  const auto begins = [&](const char* word) { return number.name.starts_with(word); };
  if (!begins("bfloat") && !begins("float") && !begins("int") && !begins("uint")) return {};
  return number;
}

/// Throws BufferError for numbers of which there is no format.
Format format_of(const RegisteredNumber& number) {
  Format format(number.order + number.name, number.size);
  // Those of less than a byte take a whole one in NumPy's arrays, and in no other library's.
  if (!dlpack::is_named_type(format))
    throw py::buffer_error(
        text("NumPy's elements of dtype ", number.name, " have no format here: give array.astype('",
             number.name.find("int") != std::string::npos ? "int8" : "float32", "')"));
  return format;
}

/// By the same memory, of which NumPy says that its elements are `others`.
void acquire_as(py::handle array, const std::string& others, const Format& format, int flags,
                Py_buffer& buffer) {
  static auto& formats = *new std::set<std::string>;  // each that was met
  const char* const kept = formats.insert(format.text()).first->c_str();
  const py::object seen = py::module_::import("numpy").attr("asarray")(array).attr("view")(others);
  acquire_buffer(seen, flags, buffer);
  if (buffer.format) buffer.format = const_cast<char*>(kept);  // of which NumPy lets nothing go
}

/// Takes an array whose fields are dates, which NumPy has refused with the exception that is set.
/// Returns false for all others, and then it is still set.
bool acquire_with_dates(py::handle exporter, int flags, Py_buffer& buffer) {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  std::optional<Format> format;
  try {
    format = format_with_dates(exporter.attr("dtype"));
  } catch (const std::exception&) {
    // It is no array of NumPy's.
  }
  if (!format) {
    PyErr_Restore(type, value, traceback);
    return false;
  }
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(traceback);
  acquire_as(exporter, text('V', format->itemsize()), *format, flags, buffer);
  return true;
}

}  // namespace

void acquire_buffer(py::handle exporter, int flags, Py_buffer& buffer) {
  // NumPy refuses arrays of dates, and a single one exports the bytes that it is made of.
  if (const auto dtype = date_dtype(exporter))
    return acquire_as(exporter, "u8", format_of_dtype(*dtype), flags, buffer);
  if (const auto number = registered_number(exporter))
    return acquire_as(exporter, text('u', number->size), format_of(*number), flags, buffer);
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
    if (acquire_with_dates(exporter, flags, buffer)) return;
    explain_dtype(exporter);
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
  return buffer.len == fields_.len && matches_behind(0, buffer);
}

bool Description::matches_but_length(const Py_buffer& buffer) const {
  if (!has_shape_ || shape_.empty() || !matches_behind(1, buffer)) return false;
  // What an exporter says of its length twice must be one thing, as where it is asked alone.
  std::int64_t bytes = buffer.itemsize;
  for (std::size_t i = 0; i < shape_.size(); ++i)
    if (buffer.shape[i] < 0 || __builtin_mul_overflow(bytes, buffer.shape[i], &bytes)) return false;
  return bytes == buffer.len;
}

bool Description::matches_behind(std::ptrdiff_t axis, const Py_buffer& buffer) const {
  if (buffer.ndim != fields_.ndim || buffer.itemsize != fields_.itemsize ||
      (buffer.readonly != 0) != fields_.readonly)
    return false;
  const auto same = [&](const Py_ssize_t* numbers, bool given,
                        const std::vector<std::int64_t>& ours, std::ptrdiff_t first = 0) {
    return (numbers != nullptr) == given &&
           std::equal(ours.begin() + first, ours.end(), numbers + first);
  };
  return same(buffer.shape, has_shape_, shape_, axis) &&
         same(buffer.strides, has_strides_, strides_) &&
         same(buffer.suboffsets, has_suboffsets_, suboffsets_) &&
         (buffer.format != nullptr) == has_format_ && (!buffer.format || format_ == buffer.format);
}

namespace {

/// Returns true if the elements lie one after the other, in C order or, walked the other way, in
/// Fortran order.
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

const char* format_for_consumers(const Format& format) {
  if (!format.opaque() || format.has_objects()) return format.text().c_str();
  // Guarded by the GIL. Its strings never move, and exports may outlive main.
  static auto& bytes = *new std::map<std::int64_t, std::string>;
  std::string& kept = bytes[format.itemsize()];
  if (kept.empty()) kept = text(format.itemsize(), 's');
  return kept.c_str();
}

bool refuses_format(const Format& format, int flags, const char* instead) {
  if ((flags & PyBUF_FORMAT) == 0 || format.opaque() || has_standard_codes(format.type()))
    return false;
  PyErr_Format(PyExc_BufferError, "the buffer protocol has no format for elements of type %s: %s",
               format.text().c_str(), instead);
  return true;
}

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
