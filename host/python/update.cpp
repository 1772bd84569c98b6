#include <multibuffer/update.hpp>

#include "host/python/elements/dtype.hpp"
#include "host/python/inputs/source.hpp"
#include "host/python/module.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/upload/internals.hpp"
#include "host/upload/storage.hpp"

namespace py = pybind11;

namespace multibuffer::python {

namespace {

void update_with(const DeviceArray& self, py::handle object, const py::object& stream) {
  Source source = source_of(object);
  const Format& format = storage_of(self)->format;
  if (same_meaning(format, source.view.format()))  // however each spells it
    source.view = ArrayView(source.view.base(), format, source.view.layout(),
                            source.view.readonly(), source.view.space());
  const StreamRef handle = stream_argument(stream);
  const DeviceArray shared = self;  // as owner.hpp asks for
  without_gil([&](const Watch& watch) {
    update(shared, source.view, {.stream = handle, .watch = watch});
    return true;
  });
}

}  // namespace

void bind_update(Class<DeviceArray>& array) {
  array.method<update_with>(
      "update($self, obj, *, stream=None)",
      "Write the elements of obj over what this array was uploaded from, without rebuilding it: it "
      "and\n"
      "every view of it have them. obj has the same format and the shape of the whole upload, and\n"
      "where its rows share memory, they share it as much; else ValueError, and nothing is "
      "written.\n"
      "Arrays in place have nothing to update.");
}

}  // namespace multibuffer::python
