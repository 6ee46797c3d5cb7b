// Passes the keys of attention to FastCPU as they are.
//
// The library pads keys to a multiple of 256 and hides the padding behind a mask, which takes eight
// bytes for each pair of a query and a key: 12 GB for a picture of 1600x1600. Its header
// ggml_extend.hpp computes the padding with the macro below; nothing else of it uses the macro.
// Include this file in front of that header.

#pragma once

#include <cstdint>

#include "ggml-backend.h"
#include "ggml.h"

namespace gpustack_draw {

/// Return the number of keys, padded to a multiple of `block` unless `backend` is FastCPU, which
/// takes any number.
std::int64_t padded_keys(std::int64_t keys, std::int64_t block, ggml_backend_t backend);

}  // namespace gpustack_draw

#undef GGML_PAD
#define GGML_PAD(keys, block) gpustack_draw::padded_keys(keys, block, backend)
