#include <multibuffer/update.hpp>

#include "host/python/device_array.hpp"
#include "host/python/elements/dtype.hpp"
#include "host/python/inputs/source.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/python/support/owner.hpp"
#include "host/upload/internals.hpp"
#include "host/upload/storage.hpp"

namespace py = pybind11;

namespace multibuffer::python {

namespace {

/// Reads `object` as what `array` was uploaded from, its format spelt as there.
Source new_elements(const DeviceArray& array, py::handle object) {
  // An uploaded array may be a view whose elements lie in another order than the rows did.
  const auto* const uploaded = object_in<const DeviceArray>(object);
  Source source = uploaded ? source_of(dense_copy(*uploaded)) : source_of(object);
  // The library writes elements from the host.
  if (source.view.space() == MemorySpace::device) source = source_of(fetched(dense_copy(source)));
  const Format& format = uploaded_storage(array).format;
  if (same_meaning(format, source.view.format()))
    source.view = ArrayView(source.view.base(), format, source.view.layout(),
                            source.view.readonly(), source.view.space());
  return source;
}

void update_with(const DeviceArray& self, py::handle object, py::handle stream,
                 const Progress& progress) {
  const Source source = new_elements(self, object);
  const StreamRef handle = stream_argument(stream);
  const DeviceArray shared = self;  // as owner.hpp asks for
  without_gil(
      [&](const Watch& watch) {
        update(shared, source.view, {.stream = handle, .watch = watch});
        return true;
      },
      progress);
}

DeviceArray update_pointers_with(const DeviceArray& self, py::handle object, py::handle stream,
                                 const Progress& progress) {
  const Source source = new_elements(self, object);
  UpdateOptions options;
  options.stream = stream_argument(stream);
  options.owner = shared(source.owner);
  const DeviceArray before = self;  // as owner.hpp asks for
  return without_gil(
      [&](const Watch& watch) {
        options.watch = watch;
        return update_pointers(before, source.view, options);
      },
      progress);
}

}  // namespace

void bind_update(Class<DeviceArray>& array) {
  array
      .method<update_with>(
          "update($self, obj, *, stream=None, progress=None)",
          "Write the elements of obj over what this array was uploaded from, without rebuilding\n"
          "it: it, every view of it and whatever shares its memory have them. obj has the same\n"
          "format and the shape of the whole upload, and where its rows share memory, they share\n"
          "it as much; else ValueError, and nothing is written. Arrays in place, and those with\n"
          "keep_sources, have nothing to update.")
      .method<update_pointers_with>(
          "update_pointers($self, obj, *, stream=None, progress=None)",
          "A new array of obj, which shares with this one the rows that both have; the others\n"
          "alone are brought. This array, uploaded with keep_sources=True or made by this method,\n"
          "stays what it was. Rows are the same if they lie at the same address, where both\n"
          "arrays keep what they were made from: elements that were written there since are not\n"
          "read. obj has the same format, and rows of the same shape and strides; the number of\n"
          "rows is free. Else ValueError.");
}

}  // namespace multibuffer::python
