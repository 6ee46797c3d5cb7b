#include <algorithm>
#include <cstring>

#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {
namespace {

constexpr std::int64_t numbers_a_task = 16'384;

// For each row of a tensor, several a task: do(i, i1, i2, i3).
template <typename Do>
void for_rows(const ggml_tensor& tensor, Team& team, const Do& do_row) {
  const std::int64_t rows = ggml_nrows(&tensor);
  const std::int64_t rows_a_task = std::max<std::int64_t>(1, numbers_a_task / tensor.ne[0]);
  team.run(divided_up(rows, rows_a_task), [&](std::int64_t task, Workspace& /*workspace*/) {
    const std::int64_t begin = task * rows_a_task;
    const std::int64_t end = std::min(rows, begin + rows_a_task);
    std::int64_t i1 = begin % tensor.ne[1];
    std::int64_t i2 = begin / tensor.ne[1] % tensor.ne[2];
    std::int64_t i3 = begin / tensor.ne[1] / tensor.ne[2];
    for (std::int64_t row = begin; row < end; ++row) {
      do_row(row, i1, i2, i3);
      if (++i1 == tensor.ne[1]) {
        i1 = 0;
        if (++i2 == tensor.ne[2]) {
          i2 = 0;
          ++i3;
        }
      }
    }
  });
}

// Rows whose numbers lie side by side.
void copy_rows(const ggml_tensor& input, const ggml_tensor& node, const Kernels& kernels,
               Team& team) {
  const std::int64_t length = input.ne[0];
  for_rows(input, team, [&](std::int64_t i, std::int64_t i1, std::int64_t i2, std::int64_t i3) {
    const auto* from = reinterpret_cast<const float*>(row_of(input, i1, i2, i3));
    if (node.type == GGML_TYPE_F16) {
      kernels.to_f16(from, static_cast<ggml_fp16_t*>(node.data) + i * length, length);
    } else {
      std::memcpy(floats(node) + i * length, from,
                  static_cast<std::size_t>(length) * sizeof(float));
    }
  });
}

// The numbers of another dimension than the first lie side by side: planes of it and the first are
// turned.
void copy_turned(const ggml_tensor& input, const ggml_tensor& node, std::size_t dense,
                 const Kernels& kernels, Team& team) {
  const std::size_t one = dense == 1 ? 2 : 1;
  const std::size_t other = dense == 3 ? 2 : 3;
  const std::int64_t gap[4] = {1, input.ne[0], input.ne[0] * input.ne[1],
                               input.ne[0] * input.ne[1] * input.ne[2]};
  team.run(input.ne[one] * input.ne[other], [&](std::int64_t task, Workspace& /*workspace*/) {
    const std::int64_t i = task % input.ne[one];
    const std::int64_t j = task / input.ne[one];
    const char* from = static_cast<const char*>(input.data) +
                       i * static_cast<std::int64_t>(input.nb[one]) +
                       j * static_cast<std::int64_t>(input.nb[other]);
    kernels.transpose(reinterpret_cast<const float*>(from),
                      static_cast<std::int64_t>(input.nb[0] / sizeof(float)),
                      floats(node) + i * gap[one] + j * gap[other], gap[dense], input.ne[0],
                      input.ne[dense]);
  });
}

void copy_numbers(const ggml_tensor& input, const ggml_tensor& node, Team& team) {
  const auto step = static_cast<std::int64_t>(input.nb[0]);
  for_rows(input, team, [&](std::int64_t i, std::int64_t i1, std::int64_t i2, std::int64_t i3) {
    const char* from = row_of(input, i1, i2, i3);
    float* to = floats(node) + i * input.ne[0];
    for (std::int64_t j = 0; j < input.ne[0]; ++j) {
      to[j] = *reinterpret_cast<const float*>(from + j * step);
    }
  });
}

// Into a contiguous tensor of the same shape, or of any shape from a contiguous one.
bool takes_copy(const ggml_tensor& node) {
  const ggml_tensor& input = *node.src[0];
  if (input.type != GGML_TYPE_F32 || !ggml_is_contiguous(&node)) {
    return false;
  }
  const bool same_shape = ggml_are_same_shape(&node, &input) || ggml_is_contiguous(&input);
  const bool plain_rows = input.nb[0] == sizeof(float);
  return same_shape && (node.type == GGML_TYPE_F32 || (node.type == GGML_TYPE_F16 && plain_rows));
}

void run_copy(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  constexpr std::int64_t worth_turning = 16;  // smaller planes are copied number by number
  const ggml_tensor& input = *node.src[0];
  if (input.nb[0] == sizeof(float)) {
    copy_rows(input, node, kernels, team);
    return;
  }
  for (std::size_t dimension = 1; dimension < GGML_MAX_DIMS; ++dimension) {
    if (input.nb[dimension] == sizeof(float) && input.ne[dimension] >= worth_turning &&
        input.ne[0] >= worth_turning) {
      copy_turned(input, node, dimension, kernels, team);
      return;
    }
  }
  copy_numbers(input, node, team);
}

bool takes_repetition(const ggml_tensor& node) {
  const ggml_tensor& input = *node.src[0];
  return node.type == GGML_TYPE_F32 && ggml_is_contiguous(&node) && input.type == GGML_TYPE_F32 &&
         input.nb[0] == sizeof(float);
}

void run_repetition(const ggml_tensor& node, const Kernels& /*kernels*/, Team& team) {
  const ggml_tensor& input = *node.src[0];
  const bool same[GGML_MAX_DIMS] = {false, input.ne[1] == node.ne[1], input.ne[2] == node.ne[2],
                                    input.ne[3] == node.ne[3]};
  const auto place = [&](int d, std::int64_t i) { return same[d] ? i : i % input.ne[d]; };
  for_rows(node, team, [&](std::int64_t i, std::int64_t i1, std::int64_t i2, std::int64_t i3) {
    const auto* from =
        reinterpret_cast<const float*>(row_of(input, place(1, i1), place(2, i2), place(3, i3)));
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

}  // namespace

const Operation copy{&takes_copy, &run_copy};
const Operation repetition{&takes_repetition, &run_repetition};

}  // namespace gpustack_draw::cpu
