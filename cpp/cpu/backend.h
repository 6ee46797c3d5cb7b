#pragma once

#include <exception>
#include <functional>

#include "ggml-backend.h"

namespace gpustack_draw::cpu {

/// The name of the device, as --device takes it. ggml's own code for the same CPU is "CPU".
constexpr const char* device_name = "FastCPU";

/// The project's own backend for CPUs: it computes with the kernels in cpu/kernels what they can
/// and hands the rest to ggml's CPU code. Null where this CPU lacks the instructions (see
/// best_kernels()), or the program was built without the backend (see absent.cpp).
///
/// The environment variable GPUSTACK_DRAW_CPU chooses a lower level of instructions by its name.
ggml_backend_reg_t fast_cpu();

/// Thrown by graphs that were stopped half-way, to whoever has them computed. They do not just
/// fail, because the library ends the process where the graph of a text encoder fails.
struct Cancelled : std::exception {
  const char* what() const noexcept override { return "stopped"; }
};

/// While one of these exists, graphs ask between any two tasks, on all their threads, whether to
/// stop. Only one at a time; make and destroy it while nothing is computed.
class ScopedCancellation {
 public:
  explicit ScopedCancellation(std::function<bool()> is_cancelled);
  ~ScopedCancellation();
  ScopedCancellation(const ScopedCancellation&) = delete;
  ScopedCancellation(ScopedCancellation&&) = delete;
  ScopedCancellation& operator=(const ScopedCancellation&) = delete;
  ScopedCancellation& operator=(ScopedCancellation&&) = delete;
};

/// Give back the memory that is kept for the next drawing.
void release_kept_memory();

}  // namespace gpustack_draw::cpu
