#pragma once

#include <pybind11/pybind11.h>

#include <vector>

namespace multibuffer::python {

/// Claims: producers' words about their elements beside address, shape and strides, and what
/// neither a buffer nor a tensor of DLPack's exchange table has a word for: torch's tensors may
/// have to be conjugated or negated by whoever reads them, and may be recorded by autograd; NumPy's
/// masked arrays have elements that are not there. Memory is taken only from objects that claim
/// nothing of the kind, be it for reading or for writing.

/// Which of these methods and attributes the objects of a type have, as one of them shows.
class TensorClaims {
 public:
  /// Makes the claims of no tensor.
  TensorClaims() = default;
  explicit TensorClaims(pybind11::handle example);

  /// Asks `object`, which is of the example's type. Throws BufferError, which names the method that
  /// helps.
  void check(pybind11::handle object) const;

 private:
  friend class TwinClaims;
  bool has_conjugate_ = false, has_negative_ = false, has_gradient_ = false;
};

/// Asks the same of many objects of one type and one element type: their C functions are called
/// where the type has C functions, at half the time.
class TwinClaims {
 public:
  TwinClaims() = default;
  /// Conjugates are asked for where there are any: of `complex` elements.
  TwinClaims(const TensorClaims& claims, pybind11::handle example, bool complex);

  /// Returns true if `object`, of the example's type, claims nothing; false as well where asking
  /// fails. Whoever wants to know why asks `TensorClaims`.
  bool are_clear(PyObject* object) const;

 private:
  /// An attribute, or a method without arguments, by what the type has under its name.
  struct Question {
    pybind11::object descriptor;  ///< keeps the rest
    PyCFunction method = nullptr;
    getter get = nullptr;
    void* closure = nullptr;
    PyObject* name = nullptr;  ///< where neither is there
    bool is_method = false;
  };
  static Question question(pybind11::handle example, PyObject* name, bool is_method);
  static int answer(const Question& question, PyObject* object);

  std::vector<Question> questions_;
};

/// Asks in another way, for the reference: whether the tensor that the producer itself would
/// make plain lies elsewhere.
void check_resolved(pybind11::handle object);

/// Throws BufferError for a masked array of NumPy's kind that hides elements; `object` is an
/// exporter of the buffer protocol.
void check_mask(pybind11::handle object);

/// Throws the BufferError in place of `refusal`, what `object` said when it was asked for a tensor:
/// one sentence where there is more to say of it than that, or where the producer's C++ says it
/// with its stack. Returns where the refusal is the producer's to word.
void explain_refused_tensor(pybind11::handle object, const pybind11::error_already_set& refusal);

}  // namespace multibuffer::python
