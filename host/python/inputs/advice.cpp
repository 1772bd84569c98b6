#include "host/python/inputs/advice.hpp"

#include "host/python/support/attributes.hpp"

#include <string_view>

namespace py = pybind11;

namespace multibuffer::python {

std::string advice_on(py::handle object) {
  // Attributes of the type, since a table has its columns for attributes, under any name.
  const py::handle type(reinterpret_cast<PyObject*>(Py_TYPE(object.ptr())));
  const auto has = [&](const char* attribute) { return has_attribute(type, attribute); };
  if (has("getbands") && has("tobytes")) return ": multibuffer.rows(image) reads a Pillow image";
  if (has("aval") && has("_trace"))
    return ", which JAX traces and which has no elements yet: call this outside of jax.jit";
  if (has("to_numpy")) return ": .to_numpy() makes an array of it";
  if (has("compute") && has("__array__")) return ": .compute() makes an array of it";
  if (has("__array__") && has("read_direct")) return ": dataset[...] reads it from its file";
  // Ours are arrays already: what is asked for is another kind of object.
  if (std::string_view(Py_TYPE(object.ptr())->tp_name).starts_with("multibuffer.")) return {};
  if (has("__array__")) return ": numpy.asarray() makes an array of it";
  return {};
}

}  // namespace multibuffer::python
