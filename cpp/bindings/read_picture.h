#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "engine/input_pictures.h"

namespace gpustack_draw {

/// Copies an RGB picture: a C-contiguous buffer of (height, width, 3) uint8.
///
/// @throws pybind11::value_error The buffer has another type, shape or layout.
InputPicture read_rgb(const pybind11::buffer& buffer, const std::string& name);

/// Copies a mask: a C-contiguous buffer of (height, width) uint8.
///
/// @throws pybind11::value_error The buffer has another type, shape or layout.
InputPicture read_mask(const pybind11::buffer& buffer, const std::string& name);

}  // namespace gpustack_draw
