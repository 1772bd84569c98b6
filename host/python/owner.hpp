#pragma once

#include <pybind11/pybind11.h>

#include <memory>

// An owner keeps memory of somebody else's: to the library, which knows no Python, a
// `std::shared_ptr<const void>`. Those that hold Python objects are made here, so that Python's
// garbage collector sees through them: an object may hold an array that holds the object.
//
// The collector takes each reference that it is shown for one of the object's own. So an owner that
// several arrays share, as an array and its views do, is not shown to it by any: a cycle through
// one of these stays. And while it looks, which takes the GIL, no other thread may begin to share:
// whoever shares an array without the GIL holds a copy of it from before.
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

/// What a `tp_traverse` does for an owner.
int traverse(const Owner& owner, visitproc visit, void* arg);

}  // namespace multibuffer::python
