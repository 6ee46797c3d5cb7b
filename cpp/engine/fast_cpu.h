#pragma once

#include "ggml-backend.h"

namespace gpustack_draw {

/// True for the backend of this project, cpp/cpu. Headers in front of the library's cannot include
/// its files.
bool is_fast_cpu(ggml_backend_t backend);

}  // namespace gpustack_draw
