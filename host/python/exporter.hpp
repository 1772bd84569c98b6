#pragma once

#include <multibuffer/array_view.hpp>

#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace multibuffer::python {

/// A buffer export that is held: acquired once, and released once, with the GIL, on the same
/// `Py_buffer` (whose arrays may lie inside of itself, so it never moves).
class HeldBuffer {
 public:
  /// Needs the GIL. Throws the exporter's own exception, or BufferError if it broke the rules.
  HeldBuffer(pybind11::handle exporter, int flags);
  /// On any thread, with or without the GIL.
  ~HeldBuffer();
  HeldBuffer(const HeldBuffer&) = delete;
  HeldBuffer& operator=(const HeldBuffer&) = delete;

  const Py_buffer& buffer() const noexcept { return buffer_; }

 private:
  Py_buffer buffer_{};
};

/// What an exporter said, at one time: its shape array and the rest may change under our hands, and
/// everything that is derived must come from one answer.
class Description {
 public:
  explicit Description(const Py_buffer& buffer) : Description(borrowed(buffer)) {}
  explicit Description(const BufferExport& source);
  /// Of an array without pointers.
  explicit Description(const ArrayView& direct);

  /// Valid while this object lives.
  BufferExport raw() const;
  /// Whether `buffer` says the same of another address.
  bool matches(const Py_buffer& buffer) const;

 private:
  static BufferExport borrowed(const Py_buffer& buffer);

  BufferExport fields_;  ///< its pointers are not used
  bool has_format_ = false, has_shape_ = false, has_strides_ = false, has_suboffsets_ = false;
  std::string format_;
  std::vector<std::int64_t> shape_, strides_, suboffsets_;
};

/// Answers a consumer: fills `buffer` with what `flags` ask for of `source`, whose arrays must live
/// as long as `exporter`. Returns what a `bf_getbuffer` returns, with BufferError set where the
/// consumer cannot take such an array.
int export_buffer(PyObject* exporter, const BufferExport& source, Py_buffer* buffer, int flags);

}  // namespace multibuffer::python
