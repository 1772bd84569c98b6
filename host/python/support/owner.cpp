#include "host/python/support/owner.hpp"

#include "host/python/support/class.hpp"
#include "host/python/support/gil.hpp"

#include <utility>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

struct Both {
  Owner first, second;
  int traverse(visitproc visit, void* arg) const {
    if (const int stop = python::traverse(first, visit, arg)) return stop;
    return python::traverse(second, visit, arg);
  }
};

int visit_object(const void* held, visitproc visit, void* arg) {
  Py_VISIT(static_cast<PyObject*>(const_cast<void*>(held)));
  return 0;
}

void let_go_of_object(const void* held) noexcept {
  if (!Py_IsInitialized()) return;
  const LettingGo guard;
  Py_DECREF(static_cast<PyObject*>(const_cast<void*>(held)));
}

/// An owner that several Python objects share. `block` is the owner's control block, which holds
/// the C++ objects' one reference to this.
struct Kept {
  Owner owner;
  std::weak_ptr<const void> block;
  std::weak_ptr<const void> storage;  ///< which alone has the owner, if there is one
  bool has_storage = false;
  long shares = 0;  ///< by Python objects

  explicit Kept(Owner kept) : owner(std::move(kept)) {}
  bool is_shared_by_python_alone() const {
    return has_storage ? block.use_count() == 1 && storage.use_count() == shares
                       : block.use_count() == shares;
  }
};

PyObject* kept_in(const Owner& owner) {
  const auto* const let_go = std::get_deleter<LetGo>(owner);
  if (!let_go || let_go->traverse != visit_object) return nullptr;
  auto* const object = static_cast<PyObject*>(const_cast<void*>(owner.get()));
  return object_in<Kept>(object) ? object : nullptr;
}

int traverse_kept(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  const auto& kept = value_in<const Kept>(self);
  if (kept.is_shared_by_python_alone()) Py_VISIT(self);
  return traverse(kept.owner, visit, arg);
}

}  // namespace

void make_kept_type() {
  Class<Kept> cls("Kept", "What arrays, views and plans keep together.");
  cls.collected_by(traverse_kept).make();
}

Owner shared(Owner owner) {
  if (!owner || kept_in(owner)) return owner;
  const py::object object = wrap(Kept(std::move(owner)));
  Owner result = keep(object);
  value_in<Kept>(object.ptr()).block = result;
  return result;
}

PyObject* kept_by(const Share& share) { return kept_in(share.owner); }

void begin_sharing(const Share& share) {
  PyObject* const object = kept_by(share);
  if (!object) return;
  auto& kept = value_in<Kept>(object);
  if (share.with) {
    kept.storage = share.with;
    kept.has_storage = true;
  }
  ++kept.shares;
  Py_INCREF(object);
}

void end_sharing(PyObject* object) {
  if (!object) return;
  --value_in<Kept>(object).shares;
  Py_DECREF(object);
}

void count_sharers_of(const Share& share) {
  if (PyObject* const object = kept_by(share)) value_in<Kept>(object).storage = share.with;
}

int traverse(const Share& share, visitproc visit, void* arg) {
  Py_VISIT(kept_by(share));
  return 0;
}

Owner keep(py::handle object) {
  return {static_cast<const void*>(object.inc_ref().ptr()), LetGo{visit_object, let_go_of_object}};
}

Owner keep_both(Owner first, Owner second) {
  return keep(std::make_unique<Both>(Both{std::move(first), std::move(second)}));
}

int traverse(const Owner& owner, visitproc visit, void* arg) {
  if (owner.use_count() != 1) return 0;
  const auto* const let_go = std::get_deleter<LetGo>(owner);
  return let_go ? let_go->traverse(owner.get(), visit, arg) : 0;
}

}  // namespace multibuffer::python
