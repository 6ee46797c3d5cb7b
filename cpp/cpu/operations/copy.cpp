#include <cstring>

#include "cpu/operations/operation.h"
#include "cpu/operations/rows.h"

namespace gpustack_draw::cpu {
namespace {

// Copy contiguous rows; `begin` and `end` are multiples of the row length.
void copy_rows(const ggml_tensor& node, const Kernels& kernels, std::int64_t begin,
               std::int64_t end) {
  const ggml_tensor& input = *node.src[0];
  const std::int64_t length = input.ne[0];
  for_rows_between(input, begin / length, end / length,
                   [&](std::int64_t i, std::int64_t i1, std::int64_t i2, std::int64_t i3) {
                     const float* from = floats_at(input, i1, i2, i3);
                     if (node.type == GGML_TYPE_F16) {
                       kernels.to_f16(from, static_cast<ggml_fp16_t*>(node.data) + i * length,
                                      length);
                     } else {
                       std::memcpy(floats(node) + i * length, from,
                                   static_cast<std::size_t>(length) * sizeof(float));
                     }
                   });
}

std::int64_t row_granularity(const ggml_tensor& node) {
  return has_float_rows(*node.src[0]) ? node.src[0]->ne[0] : 0;
}

// Dimension `dense` of the input is contiguous: transpose its planes with the first dimension.
void copy_transposed(const ggml_tensor& input, const ggml_tensor& node, std::size_t dense,
                     const Kernels& kernels, ThreadPool& pool) {
  const std::size_t one = dense == 1 ? 2 : 1;
  const std::size_t other = dense == 3 ? 2 : 3;
  const std::int64_t gap[4] = {1, input.ne[0], input.ne[0] * input.ne[1],
                               input.ne[0] * input.ne[1] * input.ne[2]};
  pool.parallel_for(input.ne[one] * input.ne[other],
                    [&](std::int64_t task, Workspace& /*workspace*/) {
                      const std::int64_t i = task % input.ne[one];
                      const std::int64_t j = task / input.ne[one];
                      const char* from = static_cast<const char*>(input.data) +
                                         i * static_cast<std::int64_t>(input.nb[one]) +
                                         j * static_cast<std::int64_t>(input.nb[other]);
                      kernels.transpose(reinterpret_cast<const float*>(from),
                                        static_cast<std::int64_t>(input.nb[0] / sizeof(float)),
                                        floats(node) + i * gap[one] + j * gap[other], gap[dense],
                                        input.ne[0], input.ne[dense]);
                    });
}

void copy_numbers(const ggml_tensor& input, const ggml_tensor& node, ThreadPool& pool) {
  const auto step = static_cast<std::int64_t>(input.nb[0]);
  for_rows(input, pool, [&](std::int64_t i, std::int64_t i1, std::int64_t i2, std::int64_t i3) {
    const char* from = row_of(input, i1, i2, i3);
    float* to = floats(node) + i * input.ne[0];
    for (std::int64_t j = 0; j < input.ne[0]; ++j) {
      to[j] = *reinterpret_cast<const float*>(from + j * step);
    }
  });
}

// The output is contiguous; the input has the same shape or is contiguous.
bool supports_copy(const ggml_tensor& node) {
  const ggml_tensor& input = *node.src[0];
  if (input.type != GGML_TYPE_F32 || !ggml_is_contiguous(&node)) {
    return false;
  }
  const bool same_shape = ggml_are_same_shape(&node, &input) || ggml_is_contiguous(&input);
  const bool plain_rows = input.nb[0] == sizeof(float);
  return same_shape && (node.type == GGML_TYPE_F32 || (node.type == GGML_TYPE_F16 && plain_rows));
}

void run_copy(const ggml_tensor& node, const Kernels& kernels, ThreadPool& pool) {
  constexpr std::int64_t min_transposed = 16;  // smaller planes are copied one number at a time
  const ggml_tensor& input = *node.src[0];
  for (std::size_t dimension = 1; dimension < GGML_MAX_DIMS; ++dimension) {
    if (input.nb[dimension] == sizeof(float) && input.ne[dimension] >= min_transposed &&
        input.ne[0] >= min_transposed) {
      copy_transposed(input, node, dimension, kernels, pool);
      return;
    }
  }
  copy_numbers(input, node, pool);
}

}  // namespace

const Operation ops::copy{&supports_copy, &run_copy, {&row_granularity, &copy_rows}};

}  // namespace gpustack_draw::cpu
