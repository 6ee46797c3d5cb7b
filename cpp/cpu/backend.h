#pragma once

#include <functional>

#include "ggml-backend.h"

namespace gpustack_draw::cpu {

/// Name of the device, as passed to --device. ggml's own device for the same CPU is "CPU".
constexpr const char* device_name = "FastCPU";

/// Return this project's CPU backend. It computes with the kernels in cpu/kernels and leaves
/// unsupported operations to ggml's CPU code. Null if this CPU lacks the instructions (see
/// best_kernels()), or in builds without the backend (see backend_stub.cpp).
///
/// The environment variable GPUSTACK_DRAW_CPU selects another target by name.
ggml_backend_reg_t fast_cpu();

/// Cancels graphs for its lifetime, where `is_cancelled` returns true: it is called between tasks,
/// on all threads. Their status is then GGML_STATUS_ABORTED. Only one may exist at a time; create
/// and destroy it while nothing is computed.
class ScopedCancellation {
 public:
  explicit ScopedCancellation(std::function<bool()> is_cancelled);
  ~ScopedCancellation();
  ScopedCancellation(const ScopedCancellation&) = delete;
  ScopedCancellation(ScopedCancellation&&) = delete;
  ScopedCancellation& operator=(const ScopedCancellation&) = delete;
  ScopedCancellation& operator=(ScopedCancellation&&) = delete;
};

/// Receives the progress of each graph, from 0 to 1, for its lifetime, on the thread that computes.
/// Must not throw. Only one may exist at a time; create and destroy it while nothing is computed.
class ScopedProgress {
 public:
  explicit ScopedProgress(std::function<void(double)> on_progress);
  ~ScopedProgress();
  ScopedProgress(const ScopedProgress&) = delete;
  ScopedProgress(ScopedProgress&&) = delete;
  ScopedProgress& operator=(const ScopedProgress&) = delete;
  ScopedProgress& operator=(ScopedProgress&&) = delete;
};

/// Makes backends that are created during its lifetime multiply in f32, even on CPUs that are
/// faster in bf16. Only one may exist at a time.
class ScopedF32 {
 public:
  ScopedF32();
  ~ScopedF32();
  ScopedF32(const ScopedF32&) = delete;
  ScopedF32(ScopedF32&&) = delete;
  ScopedF32& operator=(const ScopedF32&) = delete;
  ScopedF32& operator=(ScopedF32&&) = delete;
};

/// Free the memory that is cached for the next drawing.
void release_cached_memory();

}  // namespace gpustack_draw::cpu
