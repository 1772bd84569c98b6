#include "owner.hpp"

#include "gil.hpp"

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

}  // namespace

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
