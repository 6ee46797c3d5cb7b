#include <algorithm>
#include <cstring>
#include <optional>

#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {
namespace {

// What a task works on: enough to be worth a task, little enough to stay in a core's cache.
constexpr std::int64_t numbers_a_task = 1 << 15;

template <typename Run>
void run_runs(std::int64_t count, Team& team, const Run& run) {
  team.run(divided_up(count, numbers_a_task), [&](std::int64_t task, Workspace& /*workspace*/) {
    const std::int64_t begin = task * numbers_a_task;
    run(begin, std::min(numbers_a_task, count - begin));
  });
}

bool are_contiguous_floats(const ggml_tensor& node) {
  return node.type == GGML_TYPE_F32 && node.src[0]->type == GGML_TYPE_F32 &&
         ggml_is_contiguous(&node) && ggml_is_contiguous(node.src[0]);
}

// The second operand is repeated over the first: ggml's broadcast.
bool takes_binary(const ggml_tensor& node) {
  const ggml_tensor& b = *node.src[1];
  return are_contiguous_floats(node) && b.type == GGML_TYPE_F32 && b.nb[0] == sizeof(float) &&
         (b.ne[0] == node.ne[0] || b.ne[0] == 1);
}

// Rows of the first dimension; where the second operand has one number for several dimensions, they
// count as one row.
template <typename WithArray, typename WithNumber>
void run_binary(const ggml_tensor& node, Team& team, const WithArray& with_array,
                const WithNumber& with_number) {
  const ggml_tensor& a = *node.src[0];
  const ggml_tensor& b = *node.src[1];
  if (ggml_are_same_shape(&a, &b) && ggml_is_contiguous(&b)) {
    return run_runs(ggml_nelements(&node), team, [&](std::int64_t begin, std::int64_t count) {
      with_array(floats(a) + begin, floats(b) + begin, floats(node) + begin, count);
    });
  }
  const bool is_plane = b.ne[0] == 1 && b.ne[1] == 1;
  const std::int64_t length = is_plane ? node.ne[0] * node.ne[1] : node.ne[0];
  const std::int64_t rows = ggml_nelements(&node) / length;
  const std::int64_t rows_a_task = std::max<std::int64_t>(1, numbers_a_task / length);
  const std::int64_t height = is_plane ? 1 : node.ne[1];
  team.run(divided_up(rows, rows_a_task), [&](std::int64_t task, Workspace& /*workspace*/) {
    const std::int64_t end = std::min(rows, (task + 1) * rows_a_task);
    for (std::int64_t row = task * rows_a_task; row < end; ++row) {
      const std::int64_t i2 = row / height % node.ne[2];
      const std::int64_t i3 = row / height / node.ne[2];
      const auto* other = reinterpret_cast<const float*>(
          row_of(b, row % height % b.ne[1], i2 % b.ne[2], i3 % b.ne[3]));
      const float* input = floats(a) + row * length;
      float* output = floats(node) + row * length;
      if (b.ne[0] == 1) {
        with_number(input, *other, output, length);
      } else {
        with_array(input, other, output, length);
      }
    }
  });
}

void run_addition(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  run_binary(node, team, kernels.add, kernels.add_number);
}

void run_multiplication(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  run_binary(node, team, kernels.multiply, kernels.multiply_number);
}

bool takes_scaling(const ggml_tensor& node) {
  float bias = 0;
  std::memcpy(&bias, node.op_params + 1, sizeof(bias));
  return are_contiguous_floats(node) && bias == 0;
}

void run_scaling(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  float scale = 0;
  std::memcpy(&scale, node.op_params, sizeof(scale));
  run_runs(ggml_nelements(&node), team, [&](std::int64_t begin, std::int64_t count) {
    kernels.multiply_number(floats(*node.src[0]) + begin, scale, floats(node) + begin, count);
  });
}

std::optional<Unary> unary_of(const ggml_tensor& node) {
  switch (ggml_get_unary_op(&node)) {
    case GGML_UNARY_OP_SILU:
      return Unary::silu;
    case GGML_UNARY_OP_GELU:
      return Unary::gelu;
    case GGML_UNARY_OP_GELU_QUICK:
      return Unary::gelu_quick;
    case GGML_UNARY_OP_RELU:
      return Unary::relu;
    case GGML_UNARY_OP_SIGMOID:
      return Unary::sigmoid;
    case GGML_UNARY_OP_TANH:
      return Unary::tanh;
    default:
      return std::nullopt;
  }
}

bool takes_activation(const ggml_tensor& node) {
  return are_contiguous_floats(node) && unary_of(node).has_value();
}

void run_activation(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  const Unary function = unary_of(node).value();
  run_runs(ggml_nelements(&node), team, [&](std::int64_t begin, std::int64_t count) {
    kernels.unary(function, floats(*node.src[0]) + begin, floats(node) + begin, count);
  });
}

}  // namespace

const Operation addition{&takes_binary, &run_addition};
const Operation multiplication{&takes_binary, &run_multiplication};
const Operation scaling{&takes_scaling, &run_scaling};
const Operation activation{&takes_activation, &run_activation};

}  // namespace gpustack_draw::cpu
