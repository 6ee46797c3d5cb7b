#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ggml.h"

namespace gpustack_draw {

using NamedTensors = std::vector<std::pair<std::string, const ggml_tensor*>>;

/// Returns the name of the first tensor that contains NaN or infinity; empty if none does.
std::string damaged_tensor(const NamedTensors& all, int threads);

}  // namespace gpustack_draw
