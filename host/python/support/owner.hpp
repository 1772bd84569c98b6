#pragma once

#include <pybind11/pybind11.h>

#include <memory>

// An owner keeps memory of somebody else's. To the library, which knows no Python, it is a
// `std::shared_ptr<const void>`. Owners that hold Python objects are made here, so that Python's
// garbage collector can follow them: an object may hold an array that holds the object.
//
// A tp_traverse must report a reference at most once for each object that owns it. An array, its
// views and its plans are several Python objects with one owner, which has one reference to what it
// keeps. So a Python object stands between them, a `Kept`:
//
//     array ──┐                        ┌── the C++ objects' one reference
//     view  ──┼── one reference each ──┼──► Kept ──► the exporter, the output, ...
//     plan  ──┘                        └──
//
// Each of them has a reference of its own to the `Kept`, and reports that. The `Kept` reports the
// reference of the C++ objects as its own, but only while every C++ object with this owner is in
// one of those Python objects. While a DLPack tensor, or work under way, shares the owner, the
// reference is reported by none, and cycles through it are not collected.
//
// The counts are right only if no other thread begins to share during the traversal, which has the
// GIL: code that runs without the GIL works on a copy of the array, or holds the Python object,
// from before it released the GIL.
//
// No type has a tp_clear, as tuples have none. An array holds only what was there before it, so
// every cycle leads through an object that was changed later and can be cleared. An array is whole
// until it is freed.

namespace multibuffer::python {

using Owner = std::shared_ptr<const void>;

/// The deleter of owners that the collector can follow.
struct LetGo {
  int (*traverse)(const void* held, visitproc visit, void* arg);
  void (*destroy)(const void* held) noexcept;
  void operator()(const void* held) const noexcept { destroy(held); }
};

/// Keeps `object`. Dropping the owner takes the GIL.
Owner keep(pybind11::handle object);

/// Keeps `held`, which has `int traverse(visitproc, void*) const` and takes the GIL by itself where
/// it needs it.
template <class Held>
Owner keep(std::unique_ptr<Held> held) {
  const LetGo let_go{[](const void* kept, visitproc visit, void* arg) {
                       return static_cast<const Held*>(kept)->traverse(visit, arg);
                     },
                     [](const void* kept) noexcept { delete static_cast<const Held*>(kept); }};
  return {static_cast<const void*>(held.release()), let_go};
}

Owner keep_both(Owner first, Owner second);

/// Visits what an owner keeps, for a `tp_traverse`. Does nothing for an owner that is shared.
int traverse(const Owner& owner, visitproc visit, void* arg);

/// Puts an owner behind a `Kept`, for several Python objects to share.
Owner shared(Owner owner);
/// Makes the type of `Kept`, which no module shows.
void make_kept_type();

/// An owner as a C++ object has it. `with` is the storage that has it for several C++ objects, or
/// null where each has the owner itself.
struct Share {
  const Owner& owner;
  std::shared_ptr<const void> with;
};

/// Returns the `Kept` behind a share, or null if the owner has none.
PyObject* kept_by(const Share& share);
/// Give a Python object its reference to the `Kept`, if there is one: when the object is made that
/// will hold a C++ object with this share, and after that C++ object has gone.
void begin_sharing(const Share& share);
void end_sharing(PyObject* kept);
/// Counts the sharers of this share's storage from now on, where several have come and gone that
/// had the owner together.
void count_sharers_of(const Share& share);
/// Visits the `Kept` behind a share, for a `tp_traverse`.
int traverse(const Share& share, visitproc visit, void* arg);

}  // namespace multibuffer::python
