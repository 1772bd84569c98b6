#include "host/python/module.hpp"

// A free-threaded CPython turns the GIL on when it imports the module (README.md, "The GIL"), as it
// does by the default of older versions of pybind11.
#if PYBIND11_VERSION_HEX >= 0x03010000
PYBIND11_MODULE(_core, module, pybind11::mod_gil_used()) {
#else
PYBIND11_MODULE(_core, module) {
#endif
  using namespace multibuffer::python;
  module.doc() = "The compiled part of multibuffer.";
  module.attr("__version__") = MULTIBUFFER_VERSION;
  // Users see `multibuffer`, not the name of its compiled part.
  const pybind11::object own_name = module.attr("__name__");
  module.attr("__name__") = "multibuffer";
  // Results before the arrays that return them, so that signatures name them.
  make_kept_type();
  bind_device_buffer(module);
  bind_plan(module);
  bind_device_array(module);
  bind_stack(module);
  bind_pillow(module);
  bind_reference(module);
  bind_verify(module);
  bind_devices(module);
  bind_explain(module);
  bind_access(module);
  bind_pieces(module);
  bind_ragged_plan(module);
  bind_ragged(module);
  bind_ragged_reference(module);
  bind_dataset(module);
  module.attr("__name__") = own_name;
}
