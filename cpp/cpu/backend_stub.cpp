// Stub of the backend for builds without it: see cmake/FastCpu.cmake.

#include "cpu/backend.h"

namespace gpustack_draw::cpu {

ggml_backend_reg_t fast_cpu() { return nullptr; }

ScopedCancellation::ScopedCancellation(std::function<bool()> /*is_cancelled*/) {}

ScopedCancellation::~ScopedCancellation() = default;

ScopedProgress::ScopedProgress(std::function<void(double)> /*on_progress*/) {}

ScopedProgress::~ScopedProgress() = default;

ScopedF32::ScopedF32() = default;

ScopedF32::~ScopedF32() = default;

void release_cached_memory() {}

}  // namespace gpustack_draw::cpu
