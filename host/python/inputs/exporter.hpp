#pragma once

#include <multibuffer/array_view.hpp>

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace multibuffer::python {

/// Where the element of index 0 is, behind however many pointers.
inline const std::byte* start_of(const ArrayView& view) {
  return view.base() + (view.layout().empty() ? 0 : view.layout().origins()[0]);
}

/// Takes an export into `buffer`, which must stay where it is until it is released: its arrays may
/// lie inside of it. Needs the GIL. Throws the exporter's own exception, or BufferError if it broke
/// the rules.
void acquire_buffer(pybind11::handle exporter, int flags, Py_buffer& buffer);

/// Visits the exporter of an export, for a `tp_traverse`. Not a memoryview: when the collector
/// clears a cycle, that lets go of its memory whether or not it is exported; a cycle through one
/// stays.
inline int visit_exporter(const Py_buffer& buffer, visitproc visit, void* arg) {
  if (buffer.obj && !PyMemoryView_Check(buffer.obj)) Py_VISIT(buffer.obj);
  return 0;
}

/// A buffer export that is held: acquired once, and released once, with the GIL, on the same
/// `Py_buffer` (whose arrays may lie inside of itself, so it never moves).
class HeldBuffer {
 public:
  /// As `acquire_buffer`.
  HeldBuffer(pybind11::handle exporter, int flags) { acquire_buffer(exporter, flags, buffer_); }
  /// On any thread, with or without the GIL.
  ~HeldBuffer();
  HeldBuffer(const HeldBuffer&) = delete;
  HeldBuffer& operator=(const HeldBuffer&) = delete;

  const Py_buffer& buffer() const noexcept { return buffer_; }
  /// For Python's garbage collector.
  int traverse(visitproc visit, void* arg) const { return visit_exporter(buffer_, visit, arg); }

 private:
  Py_buffer buffer_{};
};

/// One answer of an exporter, copied: its shape array and the rest may change under our hands, and
/// everything that is derived must come from one answer.
class Description {
 public:
  explicit Description(const Py_buffer& buffer) : Description(borrowed(buffer)) {}
  explicit Description(const BufferExport& source);
  /// Describes an array without pointers.
  explicit Description(const ArrayView& direct);

  /// Valid while this object lives.
  BufferExport raw() const;
  /// Tells whether `buffer` says the same of another address.
  bool matches(const Py_buffer& buffer) const;
  /// Tells whether it says the same but for the extent of axis 0, which both have.
  bool matches_but_length(const Py_buffer& buffer) const;

 private:
  static BufferExport borrowed(const Py_buffer& buffer);
  bool matches_behind(std::ptrdiff_t axis, const Py_buffer& buffer) const;

  BufferExport fields_;  ///< its pointers are not used
  bool has_format_ = false, has_shape_ = false, has_strides_ = false, has_suboffsets_ = false;
  std::string format_;
  std::vector<std::int64_t> shape_, strides_, suboffsets_;
};

/// The format to hand on with elements of `format`: its text or, where it is opaque, that of as
/// many bytes, which nobody reads as something else; it stays for ever. The names of DLPack's own
/// types, and texts with Python objects in them, stay what they are.
const char* format_for_consumers(const Format& format);

/// Tells whether the buffer protocol cannot say `format`, a name of DLPack's, to a consumer that
/// asks with `flags`; BufferError is then set, and says what to do `instead`. One who asks for no
/// format gets the bytes.
bool refuses_format(const Format& format, int flags, const char* instead);

/// Answers a consumer: fills `buffer` with what `flags` ask for of `source`, whose arrays must live
/// as long as `exporter`. Returns what a `bf_getbuffer` returns, with BufferError set where the
/// consumer cannot take such an array.
int export_buffer(PyObject* exporter, const BufferExport& source, Py_buffer* buffer, int flags);

}  // namespace multibuffer::python
