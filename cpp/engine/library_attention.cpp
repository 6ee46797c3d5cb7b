#include "engine/library_attention.h"

#include <cstddef>

#include "engine/fast_cpu.h"

#undef ggml_flash_attn_ext

namespace gpustack_draw {
namespace {

// The library splits heads with a permutation, [depth, token, head, picture], and copies it.
// Returns the permutation, or null if there is none.
ggml_tensor* split_heads(ggml_tensor* tensor) {
  if (tensor->op == GGML_OP_CPY) {
    tensor = tensor->src[0];
  }
  if (tensor->op != GGML_OP_RESHAPE) {
    return nullptr;
  }
  tensor = tensor->src[0];
  if (tensor->op == GGML_OP_CONT) {
    tensor = tensor->src[0];
  }
  const bool is_split = tensor->op == GGML_OP_PERMUTE && tensor->type == GGML_TYPE_F32 &&
                        tensor->nb[0] == sizeof(float);
  return is_split ? tensor : nullptr;
}

}  // namespace

std::int64_t padded_keys(std::int64_t keys, std::int64_t block, ggml_backend_t backend) {
  return is_fast_cpu(backend) ? keys : (keys + block - 1) / block * block;
}

ggml_tensor* flash_attention(ggml_backend_t backend, ggml_context* context, FlashAttention inputs) {
  if (is_fast_cpu(backend)) {
    ggml_tensor* queries = split_heads(inputs.queries);
    ggml_tensor* keys = split_heads(inputs.keys);
    ggml_tensor* values = split_heads(inputs.values);
    if (queries != nullptr && keys != nullptr && values != nullptr) {
      inputs.queries = queries;
      inputs.keys = keys;
      inputs.values = values;
    }
  }
  return ggml_flash_attn_ext(context, inputs.queries, inputs.keys, inputs.values, inputs.mask,
                             inputs.scale, inputs.max_bias, inputs.logit_softcap);
}

}  // namespace gpustack_draw

// The library reads the first picture of the result. The build renames ggml_view_3d() in its graph
// code (cmake/EngineLibrary.cmake), so that it calls this function.
extern "C" ggml_tensor* gpustack_draw_view_3d(ggml_context* context, ggml_tensor* tensor,
                                              std::int64_t ne0, std::int64_t ne1, std::int64_t ne2,
                                              std::size_t nb1, std::size_t nb2,
                                              std::size_t offset) {
  const bool is_batch = tensor->op == GGML_OP_FLASH_ATTN_EXT && tensor->ne[3] > 1;
  return is_batch ? tensor : ggml_view_3d(context, tensor, ne0, ne1, ne2, nb1, nb2, offset);
}
