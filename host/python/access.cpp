#include <multibuffer/access.hpp>

#include "host/python/arguments.hpp"
#include "host/python/module.hpp"
#include "host/python/ragged_object.hpp"
#include "host/python/support/errors.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

/// The context manager that access() returns; within it an `Access` is open.
struct AccessObject {
  struct State {
    py::object stream;
    py::tuple reads, writes;
    bool is_entered = false;
    std::unique_ptr<multibuffer::Access> open;
  };
  std::unique_ptr<State> state;
};

int visit_access(const AccessObject& access, visitproc visit, void* arg) {
  Py_VISIT(access.state->stream.ptr());
  Py_VISIT(access.state->reads.ptr());
  Py_VISIT(access.state->writes.ptr());
  return 0;
}

Accessed accessed(py::handle object) {
  if (const auto* const array = object_in<const DeviceArray>(object)) return *array;
  if (const auto* const buffer = object_in<const DeviceBuffer>(object)) return *buffer;
  if (const auto* const ragged = object_in<const RaggedObject>(object)) return ragged->array;
  throw py::type_error(
      text("access() takes what upload(), ragged() and gathers return, DeviceArray, RaggedArray "
           "and DeviceBuffer, not ",
           Py_TYPE(object.ptr())->tp_name));
}

std::vector<Accessed> all_accessed(py::handle objects) {
  std::vector<Accessed> all;
  for (const py::handle object : py::reinterpret_borrow<py::tuple>(objects))
    all.push_back(accessed(object));
  return all;
}

AccessObject access(const py::object& stream, const py::object& reads, const py::object& writes) {
  for (const py::object& objects : {reads, writes})
    if (!PyTuple_Check(objects.ptr())) throw py::type_error("access() takes tuples of arrays");
  auto state = std::make_unique<AccessObject::State>();
  state->stream = stream;
  state->reads = py::reinterpret_borrow<py::tuple>(reads);
  state->writes = py::reinterpret_borrow<py::tuple>(writes);
  // For what there is to say against them.
  stream_argument(stream);
  all_accessed(reads);
  all_accessed(writes);
  return {std::move(state)};
}

py::object enter(py::handle self) {
  AccessObject::State& state = *value_in<AccessObject>(self.ptr()).state;
  // Under the GIL, which is let go of while other threads' uses are waited for.
  if (state.is_entered) throw py::value_error("this access is open already");
  state.is_entered = true;
  try {
    const StreamRef stream = stream_argument(state.stream);
    std::vector<Accessed> reads = all_accessed(state.reads);
    std::vector<Accessed> writes = all_accessed(state.writes);
    state.open = without_gil([&](const Watch&) {
      return std::make_unique<multibuffer::Access>(stream, std::move(reads), std::move(writes));
    });
  } catch (...) {
    state.is_entered = false;
    throw;
  }
  return py::reinterpret_borrow<py::object>(self);
}

void leave(py::handle self, py::handle, py::handle, py::handle) {
  AccessObject::State& state = *value_in<AccessObject>(self.ptr()).state;
  if (!state.open) throw py::value_error("this access is not open");
  const std::unique_ptr<multibuffer::Access> open = std::move(state.open);
  state.is_entered = false;
  without_gil([&](const Watch&) {
    open->end();
    return true;
  });
}

std::string represent_access(const AccessObject& self) {
  return text("Access(", self.state->reads.size(), " read, ", self.state->writes.size(), " written",
              self.state->open ? ", open)" : ")");
}

}  // namespace

void bind_access(py::module_& module) {
  Class<AccessObject>("Access",
                      "A use of arrays by work that is not the library's own, as access() returns "
                      "it: a context manager.")
      .method<enter>("__enter__($self)", "Begins the use.")
      .method<leave>("__exit__($self, kind, error, traceback)",
                     "Ends it: what is on the stream by now is what the library waits for.")
      .repr<represent_access>()
      .collected<visit_access>()
      .add_to(module);
  add_function<access>(module, "access($module, stream, reads, writes)",
                       "As multibuffer.access, which has the defaults.");
}

}  // namespace multibuffer::python
