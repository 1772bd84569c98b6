#pragma once

#include <pybind11/pybind11.h>

#include <memory>

// An owner keeps memory of somebody else's: to the library, which knows no Python, a
// `std::shared_ptr<const void>`. Those that hold Python objects are made here, so that Python's
// garbage collector sees through them: an object may hold an array that holds the object.
//
// The collector takes each reference that it is shown for one of the object's own. But an array,
// its views and its plans are Python objects that share one owner, which has one reference to what
// it keeps. So what they share is a Python object in between, a `Kept`:
//
//     array ──┐                        ┌── the C++ objects' one reference
//     view  ──┼── one reference each ──┼──► Kept ──► the exporter, the output, ...
//     plan  ──┘                        └──
//
// Each of them has a reference to it of its own, and shows that. The one of their C++ objects is
// shown by the `Kept` itself, as if it were its own, but only while no C++ object shares the owner
// that is not in one of those Python objects: a DLPack tensor, or work that is under way. While the
// collector looks, which takes the GIL, no other thread may begin to share: whoever shares an array
// without the GIL holds a copy of it, or the Python object, from before.
//
// Nothing has a tp_clear, as tuples have none: what one of these arrays holds was there before it,
// so that every cycle leads through something that was changed later and can be cleared. Until it
// is freed, an array is whole.

namespace multibuffer::python {

using Owner = std::shared_ptr<const void>;

/// The deleter of owners that the collector sees through.
struct LetGo {
  int (*traverse)(const void* held, visitproc visit, void* arg);
  void (*destroy)(const void* held) noexcept;
  void operator()(const void* held) const noexcept { destroy(held); }
};

/// Keeps `object`; letting go of it takes the GIL.
Owner keep(pybind11::handle object);

/// Keeps `held`, which has `int traverse(visitproc, void*) const` and sees to the GIL itself.
template <class Held>
Owner keep(std::unique_ptr<Held> held) {
  const LetGo let_go{[](const void* kept, visitproc visit, void* arg) {
                       return static_cast<const Held*>(kept)->traverse(visit, arg);
                     },
                     [](const void* kept) noexcept { delete static_cast<const Held*>(kept); }};
  return {static_cast<const void*>(held.release()), let_go};
}

Owner keep_both(Owner first, Owner second);

/// What a `tp_traverse` does for an owner that nobody shares.
int traverse(const Owner& owner, visitproc visit, void* arg);

/// The same owner for several Python objects: behind a `Kept`.
Owner shared(Owner owner);
/// Makes the type of `Kept`, which no module shows.
void make_kept_type();

/// An owner as a C++ object has it, and what shares it together with others: a storage, or null for
/// the owner itself.
struct Share {
  const Owner& owner;
  std::shared_ptr<const void> with;
};

/// The `Kept` behind a share; null behind other owners.
PyObject* kept_by(const Share& share);
/// Give a Python object its reference to the `Kept`, if there is one: when the object is made that
/// will hold a C++ object with this share, and after that C++ object has gone.
void begin_sharing(const Share& share);
void end_sharing(PyObject* kept);
/// What a `tp_traverse` does for such a share.
int traverse(const Share& share, visitproc visit, void* arg);

}  // namespace multibuffer::python
