#include <pybind11/stl.h>

#include "bindings/module.h"
#include "engine/build_info.h"

namespace gpustack_draw {

void register_build_info(pybind11::module_& module) {
  module.def("build_info", &build_info,
             "How this build was made: compiler, ggml, instructions of the CPU that it uses.");
  module.def("samplers", &samplers, "Names of the samplers, in the engine's order.");
  module.def("schedulers", &schedulers, "Names of the schedulers, in the engine's order.");
}

}  // namespace gpustack_draw
