#include "bindings/module.h"

// The mutexes of the engine keep this promise: threads may call without the GIL.
PYBIND11_MODULE(_core, module, pybind11::mod_gil_not_used()) {
  module.doc() = "The engine of gpustack_draw. Use gpustack_draw.generate() and load() instead.";
  module.attr("__version__") = GPUSTACK_DRAW_VERSION;
  gpustack_draw::register_errors(module);
  gpustack_draw::register_build_info(module);
  gpustack_draw::register_devices(module);
  gpustack_draw::register_picture(module);
  gpustack_draw::register_engine(module);
}
