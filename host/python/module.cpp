#include "module.hpp"

#include "errors.hpp"

PYBIND11_MODULE(_core, module) {
  using namespace multibuffer::python;
  module.doc() =
      "The compiled part of multibuffer. What takes lists of arrays has its signature in Python:\n"
      "pybind11's error for a wrong argument shows all arguments, however long that takes.";
  module.attr("__version__") = MULTIBUFFER_VERSION;
  translate_errors();
  // What users see is `multibuffer`; that its compiled part has another name is nobody's business.
  const pybind11::object own_name = module.attr("__name__");
  module.attr("__name__") = "multibuffer";
  // Results before the arrays that return them, so that signatures name them.
  bind_device_buffer(module);
  bind_plan(module);
  bind_device_array(module);
  bind_stack(module);
  bind_pillow(module);
  bind_reference(module);
  bind_verify(module);
  bind_devices(module);
  module.attr("__name__") = own_name;
}
