#include <algorithm>
#include <cstring>

#include "cpu/operations/rows.h"

namespace gpustack_draw::cpu {
namespace {

float float_param(const ggml_tensor& node, std::size_t place) {
  float number = 0;
  std::memcpy(&number, node.op_params + place, sizeof(number));
  return number;
}

bool supports_contiguous(const ggml_tensor& node) {
  return is_plain(node) && ggml_is_contiguous(node.src[0]);
}

bool supports_rows(const ggml_tensor& node) {
  return is_plain(node) && has_float_rows(*node.src[0]);
}

// Groups of channels; the last one may be smaller.
struct Groups {
  std::int64_t count;    ///< Groups of a picture.
  std::int64_t numbers;  ///< Numbers of a group, except the last.
  std::int64_t picture;  ///< Numbers of a picture.
};

Groups groups_of(const ggml_tensor& node) {
  const std::int64_t plane = node.ne[0] * node.ne[1];
  const std::int64_t numbers = ceil_div(node.ne[2], node.op_params[0]) * plane;
  return {ceil_div(node.ne[2] * plane, numbers), numbers, node.ne[2] * plane};
}

std::int64_t group_granularity(const ggml_tensor& node) {
  const Groups groups = groups_of(node);
  return groups.picture % groups.numbers == 0 ? groups.numbers : groups.picture;
}

void run_group_norm(const ggml_tensor& node, const Kernels& kernels, std::int64_t begin,
                    std::int64_t end) {
  const Groups groups = groups_of(node);
  const float epsilon = float_param(node, 1);
  while (begin < end) {
    const std::int64_t count = std::min(groups.numbers, groups.picture - begin % groups.picture);
    kernels.normalize(floats(*node.src[0]) + begin, floats(node) + begin, count, epsilon);
    begin += count;
  }
}

template <typename Normalize>
void run_rows(const ggml_tensor& node, std::int64_t begin, std::int64_t end,
              const Normalize& normalize) {
  const float epsilon = float_param(node, 0);
  const std::int64_t length = node.ne[0];
  for_rows_between(node, begin / length, end / length,
                   [&](std::int64_t i, std::int64_t i1, std::int64_t i2, std::int64_t i3) {
                     normalize(floats_at(*node.src[0], i1, i2, i3), floats(node) + i * length,
                               length, epsilon);
                   });
}

std::int64_t one_row(const ggml_tensor& node) { return node.ne[0]; }

void run_layer_norm(const ggml_tensor& node, const Kernels& kernels, std::int64_t begin,
                    std::int64_t end) {
  run_rows(node, begin, end, kernels.normalize);
}

void run_rms_norm(const ggml_tensor& node, const Kernels& kernels, std::int64_t begin,
                  std::int64_t end) {
  run_rows(node, begin, end, kernels.normalize_rms);
}

}  // namespace

const Operation ops::group_norm{
    &supports_contiguous, nullptr, {&group_granularity, &run_group_norm}};
const Operation ops::layer_norm{&supports_rows, nullptr, {&one_row, &run_layer_norm}};
const Operation ops::rms_norm{&supports_rows, nullptr, {&one_row, &run_rms_norm}};

}  // namespace gpustack_draw::cpu
