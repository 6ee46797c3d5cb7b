#include <algorithm>
#include <cstring>

#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {
namespace {

constexpr std::int64_t numbers_a_task = 1 << 14;

// Into a contiguous tensor of the same shape, or of any shape from a contiguous one.
bool takes(const ggml_tensor& node) {
  const ggml_tensor& input = *node.src[0];
  return input.type == GGML_TYPE_F32 &&
         (node.type == GGML_TYPE_F32 || node.type == GGML_TYPE_F16) && ggml_is_contiguous(&node) &&
         (ggml_are_same_shape(&node, &input) || ggml_is_contiguous(&input));
}

// A row whose numbers lie side by side.
void copy_row(const float* from, const ggml_tensor& node, std::int64_t place, std::int64_t count,
              const Kernels& kernels) {
  if (node.type == GGML_TYPE_F16) {
    kernels.to_f16(from, static_cast<ggml_fp16_t*>(node.data) + place, count);
  } else {
    std::memcpy(floats(node) + place, from, static_cast<std::size_t>(count) * sizeof(float));
  }
}

void copy_rows(const ggml_tensor& input, const ggml_tensor& node, const Kernels& kernels,
               Team& team) {
  const std::int64_t length = input.ne[0];
  const std::int64_t rows = ggml_nrows(&input);
  const std::int64_t rows_a_task = std::max<std::int64_t>(1, numbers_a_task / length);
  team.run(divided_up(rows, rows_a_task), [&](std::int64_t task, Workspace& /*workspace*/) {
    const std::int64_t end = std::min(rows, (task + 1) * rows_a_task);
    for (std::int64_t row = task * rows_a_task; row < end; ++row) {
      const std::int64_t i1 = row % input.ne[1];
      const std::int64_t i2 = row / input.ne[1] % input.ne[2];
      const std::int64_t i3 = row / input.ne[1] / input.ne[2];
      copy_row(reinterpret_cast<const float*>(row_of(input, i1, i2, i3)), node, row * length,
               length, kernels);
    }
  });
}

// The numbers of another dimension than the first lie side by side: planes of it and the first are
// turned, a few lines of the output at a time.
void copy_turned(const ggml_tensor& input, const ggml_tensor& node, std::size_t dense,
                 const Kernels& kernels, Team& team) {
  const std::int64_t width = input.ne[0];
  const std::int64_t depth = input.ne[dense];
  const std::size_t one = dense == 1 ? 2 : 1;
  const std::size_t other = dense == 3 ? 2 : 3;
  std::int64_t gap[4] = {1, width, width * input.ne[1], width * input.ne[1] * input.ne[2]};
  team.run(input.ne[one] * input.ne[other], [&](std::int64_t task, Workspace& /*workspace*/) {
    const std::int64_t i = task % input.ne[one];
    const std::int64_t j = task / input.ne[one];
    const char* from = static_cast<const char*>(input.data) +
                       i * static_cast<std::int64_t>(input.nb[one]) +
                       j * static_cast<std::int64_t>(input.nb[other]);
    kernels.transpose(reinterpret_cast<const float*>(from),
                      static_cast<std::int64_t>(input.nb[0] / sizeof(float)),
                      floats(node) + i * gap[one] + j * gap[other], gap[dense], width, depth);
  });
}

void copy_numbers(const ggml_tensor& input, const ggml_tensor& node, const Kernels& kernels,
                  Team& team) {
  const std::int64_t rows = ggml_nrows(&input);
  const std::int64_t step = static_cast<std::int64_t>(input.nb[0]);
  team.run(rows, [&](std::int64_t row, Workspace& workspace) {
    auto* line = reinterpret_cast<float*>(
        workspace.panels.take(static_cast<std::size_t>(input.ne[0]) * sizeof(float)));
    const char* from = row_of(input, row % input.ne[1], row / input.ne[1] % input.ne[2],
                              row / input.ne[1] / input.ne[2]);
    for (std::int64_t i = 0; i < input.ne[0]; ++i) {
      std::memcpy(line + i, from + i * step, sizeof(float));
    }
    copy_row(line, node, row * input.ne[0], input.ne[0], kernels);
  });
}

void run(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  const ggml_tensor& input = *node.src[0];
  if (input.nb[0] == sizeof(float)) {
    return copy_rows(input, node, kernels, team);
  }
  for (std::size_t dimension = 1; dimension < 4; ++dimension) {
    if (input.nb[dimension] == sizeof(float) && input.ne[dimension] > 1 &&
        node.type == GGML_TYPE_F32) {
      return copy_turned(input, node, dimension, kernels, team);
    }
  }
  copy_numbers(input, node, kernels, team);
}

}  // namespace

const Operation copy{&takes, &run};

}  // namespace gpustack_draw::cpu
