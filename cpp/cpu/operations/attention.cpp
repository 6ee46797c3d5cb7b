#include <algorithm>
#include <cstring>

#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {
namespace {

struct Parameters {
  float scale;
  float max_bias;       ///< ALiBi
  float logit_softcap;  ///< Both are used by text models only.
};

Parameters parameters_of(const ggml_tensor& node) {
  Parameters parameters{};
  static_assert(sizeof(parameters) == 3 * sizeof(float));
  std::memcpy(&parameters, node.op_params, sizeof(parameters));
  return parameters;
}

bool is_float(const ggml_tensor& tensor) {
  return (tensor.type == GGML_TYPE_F32 || tensor.type == GGML_TYPE_F16) && has_plain_rows(tensor);
}

// The library pads keys to a multiple of 256, but not the rows of their mask, which would be read
// past their end.
bool has_plain_mask(const ggml_tensor& node) {
  const ggml_tensor* mask = node.src[3];
  return mask == nullptr ||
         (mask->type == GGML_TYPE_F16 && has_plain_rows(*mask) &&
          mask->ne[0] >= node.src[1]->ne[1] && mask->ne[1] >= node.src[0]->ne[1]);
}

bool supports(const ggml_tensor& node) {
  const ggml_tensor& queries = *node.src[0];
  const Parameters parameters = parameters_of(node);
  return queries.type == GGML_TYPE_F32 && is_float(queries) && is_float(*node.src[1]) &&
         is_float(*node.src[2]) && has_plain_mask(node) && node.src[4] == nullptr &&
         parameters.scale > 0 && parameters.max_bias == 0 && parameters.logit_softcap == 0;
}

// ggml: queries [depth, query, head, picture], keys and values likewise with perhaps fewer heads,
// node [value depth, head, query, picture].
Attention of_head(const ggml_tensor& node, std::int64_t head, std::int64_t picture) {
  const ggml_tensor& queries = *node.src[0];
  const ggml_tensor& keys = *node.src[1];
  const ggml_tensor& values = *node.src[2];
  const ggml_tensor* mask = node.src[3];
  const auto shared = [&](const ggml_tensor& tensor) {
    return rows_of(tensor, head / (queries.ne[2] / tensor.ne[2]),
                   picture / (queries.ne[3] / tensor.ne[3]));
  };
  Attention attention{};
  attention.queries = rows_of(queries, head, picture);
  attention.keys = shared(keys);
  attention.values = shared(values);
  if (mask != nullptr) {
    attention.mask = row_of(*mask, 0, head % mask->ne[2], picture % mask->ne[3]);
    attention.mask_stride = static_cast<std::int64_t>(mask->nb[1]);
  }
  attention.output = reinterpret_cast<float*>(row_of(node, head, 0, picture));
  attention.output_stride = static_cast<std::int64_t>(node.nb[2] / sizeof(float));
  attention.query_count = queries.ne[1];
  attention.key_count = keys.ne[1];
  attention.head_size = queries.ne[0];
  attention.value_size = values.ne[0];
  attention.scale = parameters_of(node).scale;
  return attention;
}

void run(const ggml_tensor& node, const Kernels& kernels, ThreadPool& pool) {
  // Keys and values are packed once per block, whose output, half a megabyte, stays in the cache.
  const std::int64_t max_queries = std::clamp<std::int64_t>(131'072 / node.ne[0], 256, 1024);
  constexpr std::int64_t min_queries = 64;
  constexpr std::int64_t tasks_per_thread = 4;
  const std::int64_t heads = node.src[0]->ne[2];
  const std::int64_t queries = node.src[0]->ne[1];
  const std::int64_t planes = node.ne[3] * heads;
  const std::int64_t enough = ceil_div(tasks_per_thread * pool.threads(), planes);
  const std::int64_t parts =
      std::max(ceil_div(queries, max_queries), std::min(ceil_div(queries, min_queries), enough));
  const std::int64_t block = ceil_div(ceil_div(queries, parts), kernels.nr) * kernels.nr;
  const std::int64_t blocks = ceil_div(queries, block);
  pool.parallel_for(planes * blocks, [&](std::int64_t task, Workspace& workspace) {
    const std::int64_t begin = task % blocks * block;
    const std::int64_t plane = task / blocks;
    kernels.attention(of_head(node, plane % heads, plane / heads), begin,
                      std::min(begin + block, queries), workspace);
  });
}

}  // namespace

const Operation ops::attention{&supports, &run};

}  // namespace gpustack_draw::cpu
