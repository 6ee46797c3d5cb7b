#pragma once

#include "ggml-backend.h"

namespace gpustack_draw::cpu {

/// Plain memory, in huge pages where the system has them. The library allocates what a graph
/// computes in anew for each picture; the last such buffer is kept for the next, because the system
/// clears each page that it gives.
///
/// @param device What the memory belongs to.
ggml_backend_buffer_type_t buffer_type(ggml_backend_dev_t device);

/// Give back the buffer that is kept.
void release_kept_buffer();

}  // namespace gpustack_draw::cpu
