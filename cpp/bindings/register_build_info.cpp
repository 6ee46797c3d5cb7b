#include <pybind11/stl.h>

#include "bindings/module.h"
#include "engine/build_info.h"

namespace gpustack_draw {

void register_build_info(pybind11::module_& module) {
  module.def("build_info", &build_info,
             "Return facts about this build: compiler, optimization, versions of ggml and"
             " stable-diffusion.cpp, CPU instruction sets.");
  module.def("missing_instructions", &missing_instructions,
             "Return the instruction sets that the engine was compiled for and this CPU lacks.");
  module.def("samplers", &samplers, "Return the names of the samplers, in the engine's order.");
  module.def("schedulers", &schedulers,
             "Return the names of the schedulers, in the engine's order.");
}

}  // namespace gpustack_draw
