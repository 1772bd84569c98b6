#include <multibuffer/access.hpp>

#include "arguments.hpp"
#include "errors.hpp"
#include "host/text.hpp"
#include "interrupt.hpp"
#include "module.hpp"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

/// What access() returns: a context manager, within which an `Access` is open.
struct AccessObject {
  struct State {
    StreamHandle stream = nullptr;
    Owner stream_owner;
    std::vector<Accessed> reads, writes;
    std::optional<multibuffer::Access> open;
  };
  std::shared_ptr<State> state;
};

Accessed accessed(py::handle object) {
  if (const auto* const array = object_in<const DeviceArray>(object)) return *array;
  if (const auto* const buffer = object_in<const DeviceBuffer>(object)) return *buffer;
  throw py::type_error(
      text("access() takes what upload() and gathers return, DeviceArray and "
           "DeviceBuffer, not ",
           Py_TYPE(object.ptr())->tp_name));
}

std::vector<Accessed> all_accessed(py::handle objects) {
  std::vector<Accessed> all;
  for (const py::handle object : py::reinterpret_borrow<py::tuple>(objects))
    all.push_back(accessed(object));
  return all;
}

AccessObject access(py::handle stream, const py::object& reads, const py::object& writes) {
  for (const py::object& objects : {reads, writes})
    if (!PyTuple_Check(objects.ptr())) throw py::type_error("access() takes tuples of arrays");
  auto state = std::make_shared<AccessObject::State>();
  state->stream = stream_argument(stream);
  if (state->stream) state->stream_owner = keep(stream);
  state->reads = all_accessed(reads);
  state->writes = all_accessed(writes);
  return {std::move(state)};
}

py::object enter(const AccessObject& self) {
  AccessObject::State& state = *self.state;
  if (state.open) throw py::value_error("this access is open already");
  without_gil([&](const Watch&) {
    state.open.emplace(state.stream, state.reads, state.writes);
    return true;
  });
  return wrap(self);
}

void leave(const AccessObject& self, py::handle, py::handle, py::handle) {
  AccessObject::State& state = *self.state;
  if (!state.open) throw py::value_error("this access is not open");
  without_gil([&](const Watch&) {
    const auto open = std::exchange(state.open, std::nullopt);
    return true;
  });
}

std::string represent(const AccessObject& self) {
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
      .repr<represent>()
      .add_to(module);
  add_function<access>(module, "access($module, stream, reads, writes)",
                       "As multibuffer.access, which has the defaults.");
}

}  // namespace multibuffer::python
