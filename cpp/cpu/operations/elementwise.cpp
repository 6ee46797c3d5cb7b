#include <algorithm>
#include <cstring>
#include <optional>

#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {
namespace {

bool are_contiguous_floats(const ggml_tensor& node) {
  return is_plain(node) && is_plain(*node.src[0]);
}

// The second operand is broadcast over the first, as in ggml.
bool supports_binary(const ggml_tensor& node) {
  const ggml_tensor& a = *node.src[0];
  const ggml_tensor& b = *node.src[1];
  return is_plain(node) && has_float_rows(a) && has_float_rows(b) &&
         (b.ne[0] == node.ne[0] || b.ne[0] == 1);
}

/// Runs of numbers for which both operands are contiguous, or the second is a single number.
struct Runs {
  std::int64_t length = 1;
  int dimensions = 0;  ///< Leading dimensions that a run spans.
};

bool continues_in(const ggml_tensor& tensor, int dimension) {
  return dimension == 0 ||
         tensor.nb[dimension] ==
             tensor.nb[dimension - 1] * static_cast<std::size_t>(tensor.ne[dimension - 1]);
}

Runs runs_of(const ggml_tensor& a, const ggml_tensor& b) {
  const bool one_number = b.ne[0] == 1;
  Runs runs;
  while (runs.dimensions < GGML_MAX_DIMS) {
    const int i = runs.dimensions;
    if (!continues_in(a, i) ||
        (one_number ? b.ne[i] != 1 : b.ne[i] != a.ne[i] || !continues_in(b, i))) {
      break;
    }
    runs.length *= a.ne[i];
    ++runs.dimensions;
  }
  return runs;
}

template <typename WithArray, typename WithNumber>
void run_binary(const ggml_tensor& node, std::int64_t begin, std::int64_t end,
                const WithArray& with_array, const WithNumber& with_number) {
  const ggml_tensor& a = *node.src[0];
  const ggml_tensor& b = *node.src[1];
  const Runs runs = runs_of(a, b);
  while (begin < end) {
    std::int64_t rest = begin / runs.length;
    const std::int64_t first = begin % runs.length;
    const std::int64_t count = std::min(end - begin, runs.length - first);
    std::int64_t from_a = 0;
    std::int64_t from_b = 0;
    for (int d = runs.dimensions; d < GGML_MAX_DIMS; ++d) {
      const std::int64_t place = rest % a.ne[d];
      rest /= a.ne[d];
      from_a += place * static_cast<std::int64_t>(a.nb[d]);
      from_b += place % b.ne[d] * static_cast<std::int64_t>(b.nb[d]);
    }
    const auto* input = reinterpret_cast<const float*>(static_cast<char*>(a.data) + from_a) + first;
    const auto* other = reinterpret_cast<const float*>(static_cast<char*>(b.data) + from_b);
    if (b.ne[0] == 1) {
      with_number(input, *other, floats(node) + begin, count);
    } else {
      with_array(input, other + first, floats(node) + begin, count);
    }
    begin += count;
  }
}

void run_add(const ggml_tensor& node, const Kernels& kernels, std::int64_t begin,
             std::int64_t end) {
  run_binary(node, begin, end, kernels.add, kernels.add_scalar);
}

void run_multiply(const ggml_tensor& node, const Kernels& kernels, std::int64_t begin,
                  std::int64_t end) {
  run_binary(node, begin, end, kernels.multiply, kernels.multiply_scalar);
}

float parameter(const ggml_tensor& node, int index) {
  float number = 0;
  std::memcpy(&number, node.op_params + index, sizeof(number));
  return number;
}

bool supports_scale(const ggml_tensor& node) {
  return are_contiguous_floats(node) && parameter(node, 1) == 0;
}

void run_scale(const ggml_tensor& node, const Kernels& kernels, std::int64_t begin,
               std::int64_t end) {
  kernels.multiply_scalar(floats(*node.src[0]) + begin, parameter(node, 0), floats(node) + begin,
                          end - begin);
}

bool supports_leaky_relu(const ggml_tensor& node) {
  const float slope = parameter(node, 0);
  return are_contiguous_floats(node) && slope >= 0 && slope <= 1;
}

// ggml computes it on one thread.
void run_leaky_relu(const ggml_tensor& node, const Kernels& kernels, std::int64_t begin,
                    std::int64_t end) {
  kernels.leaky_relu(floats(*node.src[0]) + begin, parameter(node, 0), floats(node) + begin,
                     end - begin);
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

bool supports_activation(const ggml_tensor& node) {
  return are_contiguous_floats(node) && unary_of(node).has_value();
}

void run_activation(const ggml_tensor& node, const Kernels& kernels, std::int64_t begin,
                    std::int64_t end) {
  // supports_activation() has checked.
  const Unary function = unary_of(node).value();  // NOLINT(bugprone-unchecked-optional-access)
  kernels.unary(function, floats(*node.src[0]) + begin, floats(node) + begin, end - begin);
}

std::int64_t one_number(const ggml_tensor& /*node*/) { return 1; }

}  // namespace

const Operation ops::add{&supports_binary, nullptr, {&one_number, &run_add}};
const Operation ops::multiply{&supports_binary, nullptr, {&one_number, &run_multiply}};
const Operation ops::scale{&supports_scale, nullptr, {&one_number, &run_scale}};
const Operation ops::leaky_relu{&supports_leaky_relu, nullptr, {&one_number, &run_leaky_relu}};
const Operation ops::activation{&supports_activation, nullptr, {&one_number, &run_activation}};

}  // namespace gpustack_draw::cpu
