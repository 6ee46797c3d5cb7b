#pragma once

#include <string>

namespace gpustack_draw {

/// Returns the library's name of a ControlNet's tensor that is named as in diffusers; other names
/// as they are.
///
/// Every other file with such names is read with a prefix, so that its names differ.
std::string convert_control_net_name(std::string name);

}  // namespace gpustack_draw
