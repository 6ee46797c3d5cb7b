#pragma once

#include <pybind11/pybind11.h>

namespace gpustack_draw {

void register_build_info(pybind11::module_& module);
void register_devices(pybind11::module_& module);
void register_engine(pybind11::module_& module);
void register_engine_names(pybind11::module_& module);
void register_errors(pybind11::module_& module);
void register_picture(pybind11::module_& module);
void register_upscaler(pybind11::module_& module);

}  // namespace gpustack_draw
