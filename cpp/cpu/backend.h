#pragma once

#include <functional>

#include "ggml-backend.h"

namespace gpustack_draw::cpu {

/// The name of the device, as --device takes it. ggml's own code for the same CPU is "CPU".
constexpr const char* device_name = "FastCPU";

/// The project's own backend for CPUs: it computes with the kernels in cpu/kernels what they can
/// and hands the rest to ggml's CPU code. Null where this CPU lacks the instructions (see
/// best_kernels()).
///
/// The environment variable GPUSTACK_DRAW_CPU chooses a lower level of instructions by its name.
ggml_backend_reg_t fast_cpu();

/// What graphs ask, many times a second and from any thread, to know whether to stop half-way. They
/// then fail. Nothing may be computing while this is set.
void set_cancellation(std::function<bool()> is_cancelled);

/// Give back the memory that is kept for the next drawing.
void release_kept_memory();

}  // namespace gpustack_draw::cpu
