#include <multibuffer/update.hpp>

#include "dtype.hpp"
#include "host/storage.hpp"
#include "interrupt.hpp"
#include "module.hpp"
#include "source.hpp"

namespace py = pybind11;

namespace multibuffer::python {

void bind_update(py::class_<DeviceArray>& array) {
  array.def(
      "update",
      [](const DeviceArray& self, const py::object& object) {
        Source source = source_of(object);
        const Format& format = self.storage()->format;
        if (same_meaning(format, source.view.format()))  // however each spells it
          source.view = ArrayView(source.view.base(), format, source.view.layout(),
                                  source.view.readonly(), source.view.space());
        without_gil([&](const Watch& watch) {
          update(self, source.view, {.stream = nullptr, .watch = watch});
          return true;
        });
      },
      py::arg("obj"),
      "Write the elements of obj over what this array was uploaded from, without rebuilding it: it "
      "and\n"
      "every view of it have them. obj has the same format and the shape of the whole upload, and\n"
      "where its rows share memory, they share it as much; else ValueError, and nothing is "
      "written.\n"
      "Arrays in place have nothing to update.");
}

}  // namespace multibuffer::python
