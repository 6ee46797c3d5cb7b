#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ggml.h"

namespace gpustack_draw {

using NamedTensors = std::vector<std::pair<std::string, const ggml_tensor*>>;

/// Returns the name of the first tensor that contains NaN or infinity; empty if none does.
///
/// @param on_checked Called in this thread with the number of tensors checked so far.
std::string damaged_tensor(const NamedTensors& all, int threads,
                           const std::function<void(std::size_t)>& on_checked = {});

}  // namespace gpustack_draw
