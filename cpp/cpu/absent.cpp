// In place of the backend where it is not built: see cmake/FastCpu.cmake.

#include "cpu/backend.h"

namespace gpustack_draw::cpu {

ggml_backend_reg_t fast_cpu() { return nullptr; }

ScopedCancellation::ScopedCancellation(std::function<bool()> /*is_cancelled*/) {}

ScopedCancellation::~ScopedCancellation() = default;

void release_kept_memory() {}

}  // namespace gpustack_draw::cpu
