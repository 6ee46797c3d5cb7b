#include "bindings/module.h"

#include "engine/build_info.h"

// Free-threaded Python can call the engine from several threads: its mutexes protect it.
PYBIND11_MODULE(_core, module, pybind11::mod_gil_not_used()) {
  module.doc() =
      "Compiled engine of gpustack_draw. Use gpustack_draw.generate() and load() instead.";
  module.attr("__version__") = GPUSTACK_DRAW_VERSION;
  gpustack_draw::register_build_info(module);
  if (!gpustack_draw::missing_instructions().empty()) {
    return;  // no function that runs ggml's code, which would end the process with SIGILL
  }
  gpustack_draw::register_errors(module);
  gpustack_draw::register_devices(module);
  gpustack_draw::register_picture(module);
  gpustack_draw::register_engine(module);
  gpustack_draw::register_engine_names(module);
  gpustack_draw::register_upscaler(module);
}
