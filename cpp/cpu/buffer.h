#pragma once

#include "ggml-backend.h"

namespace gpustack_draw::cpu {

/// Return the buffer type of a device: host memory, in huge pages where available. The library
/// allocates its compute buffer anew for each picture; the last one is cached for the next, because
/// the system has to clear all pages of a new one.
ggml_backend_buffer_type_t buffer_type(ggml_backend_dev_t device);

/// Free the cached buffer.
void release_cached_buffer();

}  // namespace gpustack_draw::cpu
