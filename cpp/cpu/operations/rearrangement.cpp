// Operations that copy rows of other tensors: repeat, concat, upsample and pad.

#include <algorithm>

#include "cpu/operations/operation.h"
#include "cpu/operations/rows.h"

namespace gpustack_draw::cpu {
namespace {

bool supports_repeat(const ggml_tensor& node) {
  return is_plain(node) && has_float_rows(*node.src[0]);
}

// Each number twice, as in rotary embeddings; rows of two are too short for the general loop.
bool is_doubling(const ggml_tensor& node) {
  const ggml_tensor& input = *node.src[0];
  return node.ne[0] == 2 && input.ne[0] == 1 && ggml_nrows(&node) == ggml_nrows(&input) &&
         ggml_is_contiguous(&input);
}

void run_doubling(const ggml_tensor& node, ThreadPool& pool) {
  const float* from = floats_at(*node.src[0], 0, 0, 0);
  float* to = floats(node);
  for_runs(ggml_nrows(&node), pool, [&](std::int64_t begin, std::int64_t count) {
    for (std::int64_t i = begin; i < begin + count; ++i) {
      to[2 * i] = from[i];
      to[2 * i + 1] = from[i];
    }
  });
}

void run_repeat(const ggml_tensor& node, const Kernels& /*kernels*/, ThreadPool& pool) {
  if (is_doubling(node)) {
    run_doubling(node, pool);
    return;
  }
  const ggml_tensor& input = *node.src[0];
  const bool same[GGML_MAX_DIMS] = {false, input.ne[1] == node.ne[1], input.ne[2] == node.ne[2],
                                    input.ne[3] == node.ne[3]};
  const auto place = [&](int d, std::int64_t i) { return same[d] ? i : i % input.ne[d]; };
  for_rows(node, pool, [&](std::int64_t i, std::int64_t i1, std::int64_t i2, std::int64_t i3) {
    const float* from = floats_at(input, place(1, i1), place(2, i2), place(3, i3));
    float* to = floats(node) + i * node.ne[0];
    if (input.ne[0] == 1) {
      std::fill_n(to, node.ne[0], *from);
      return;
    }
    for (std::int64_t j = 0; j < node.ne[0]; j += input.ne[0]) {
      std::copy_n(from, input.ne[0], to + j);
    }
  });
}

bool supports_concat(const ggml_tensor& node) {
  return is_plain(node) && has_float_rows(*node.src[0]) && has_float_rows(*node.src[1]);
}

void run_concat(const ggml_tensor& node, const Kernels& /*kernels*/, ThreadPool& pool) {
  const ggml_tensor& first = *node.src[0];
  const ggml_tensor& second = *node.src[1];
  const int dimension = node.op_params[0];
  for_rows(node, pool, [&](std::int64_t i, std::int64_t i1, std::int64_t i2, std::int64_t i3) {
    float* to = floats(node) + i * node.ne[0];
    if (dimension == 0) {
      to = std::copy_n(floats_at(first, i1, i2, i3), first.ne[0], to);
      std::copy_n(floats_at(second, i1, i2, i3), second.ne[0], to);
      return;
    }
    std::int64_t place[GGML_MAX_DIMS] = {0, i1, i2, i3};
    const bool is_second = place[dimension] >= first.ne[dimension];
    place[dimension] -= is_second ? first.ne[dimension] : 0;
    std::copy_n(floats_at(is_second ? second : first, place[1], place[2], place[3]), node.ne[0],
                to);
  });
}

// Nearest upsampling by integer factors; other modes are left to ggml.
bool supports_upsample(const ggml_tensor& node) {
  const ggml_tensor& input = *node.src[0];
  bool is_integer = true;
  for (int d = 0; d < GGML_MAX_DIMS; ++d) {
    is_integer = is_integer && node.ne[d] % input.ne[d] == 0;
  }
  return is_plain(node) && has_float_rows(input) && is_integer &&
         node.op_params[0] == GGML_SCALE_MODE_NEAREST;
}

void run_upsample(const ggml_tensor& node, const Kernels& /*kernels*/, ThreadPool& pool) {
  const ggml_tensor& input = *node.src[0];
  const std::int64_t times = node.ne[0] / input.ne[0];
  for_rows(node, pool, [&](std::int64_t i, std::int64_t i1, std::int64_t i2, std::int64_t i3) {
    const float* from = floats_at(input, i1 / (node.ne[1] / input.ne[1]),
                                  i2 / (node.ne[2] / input.ne[2]), i3 / (node.ne[3] / input.ne[3]));
    float* to = floats(node) + i * node.ne[0];
    for (std::int64_t j = 0; j < input.ne[0]; ++j) {
      to = std::fill_n(to, times, from[j]);
    }
  });
}

// ggml: op_params are the zeros before and after each dimension, then a flag for circular padding,
// which is left to ggml.
bool supports_pad(const ggml_tensor& node) {
  return is_plain(node) && has_float_rows(*node.src[0]) && node.op_params[8] == 0;
}

void run_pad(const ggml_tensor& node, const Kernels& /*kernels*/, ThreadPool& pool) {
  const ggml_tensor& input = *node.src[0];
  const auto* before = node.op_params;
  const auto is_inside = [&](int d, std::int64_t i) { return i >= 0 && i < input.ne[d]; };
  for_rows(node, pool, [&](std::int64_t i, std::int64_t i1, std::int64_t i2, std::int64_t i3) {
    i1 -= before[2];
    i2 -= before[4];
    i3 -= before[6];
    float* to = floats(node) + i * node.ne[0];
    std::int64_t rest = node.ne[0];
    if (is_inside(1, i1) && is_inside(2, i2) && is_inside(3, i3)) {
      to = std::fill_n(to, before[0], 0.0F);
      to = std::copy_n(floats_at(input, i1, i2, i3), input.ne[0], to);
      rest -= before[0] + input.ne[0];
    }
    std::fill_n(to, rest, 0.0F);
  });
}

}  // namespace

const Operation ops::concat{&supports_concat, &run_concat};
const Operation ops::upsample{&supports_upsample, &run_upsample};
const Operation ops::pad{&supports_pad, &run_pad};
const Operation ops::repeat{&supports_repeat, &run_repeat};

}  // namespace gpustack_draw::cpu
