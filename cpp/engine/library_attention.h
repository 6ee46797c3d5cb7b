// Passes queries, keys and values of the library's flash attention to FastCPU as they are.
//
// The library pads keys to a multiple of 256 and hides the padding behind a mask, which takes eight
// bytes for each pair of a query and a key: 12 GB for a picture of 1600x1600. It also copies the
// inputs after splitting them into heads, keys and values to f16, and joins the heads of all
// pictures of a batch, but then reads the first picture only. Its header ggml_extend.hpp does all
// that with the macros below; nothing else in it uses them. Include this file in front of that
// header.

#pragma once

#include <cstdint>

#include "ggml-backend.h"
#include "ggml.h"

namespace gpustack_draw {

/// Return the number of keys, padded to a multiple of `block` unless `backend` is FastCPU, which
/// takes any number.
std::int64_t padded_keys(std::int64_t keys, std::int64_t block, ggml_backend_t backend);

/// Inputs of ggml_flash_attn_ext().
struct FlashAttention {
  ggml_tensor* queries;
  ggml_tensor* keys;
  ggml_tensor* values;
  ggml_tensor* mask;
  float scale;
  float max_bias;
  float logit_softcap;
};

/// Return the attention. For FastCPU, copies of its inputs are not computed.
ggml_tensor* flash_attention(ggml_backend_t backend, ggml_context* context, FlashAttention inputs);

}  // namespace gpustack_draw

#undef GGML_PAD
#define GGML_PAD(keys, block) gpustack_draw::padded_keys(keys, block, backend)
#define ggml_flash_attn_ext(context, ...) \
  gpustack_draw::flash_attention(backend, context, {__VA_ARGS__})
