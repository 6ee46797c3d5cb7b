#include "cpu/operations/blocks.h"
#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {
namespace {

// Products with few rows are not worth packing for: ggml reads each weight once, as it lies.
constexpr std::int64_t fewest = 8;

bool takes(const ggml_tensor& node) {
  const ggml_tensor& weights = *node.src[0];
  const ggml_tensor& input = *node.src[1];
  return input.type == GGML_TYPE_F32 && node.type == GGML_TYPE_F32 && has_plain_rows(weights) &&
         has_plain_rows(input) && ggml_is_contiguous(&node) && node.ne[0] >= fewest &&
         node.ne[1] >= fewest && input.ne[0] >= fewest;
}

// ggml: node[row][column] = weights[column] . input[row]; input's planes may share those of
// weights.
void run(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  const ggml_tensor& weights = *node.src[0];
  const ggml_tensor& input = *node.src[1];
  const Blocks blocks(node.ne[1], node.ne[0], kernels, team.threads(), kernels.product_limits);
  team.run(node.ne[3] * node.ne[2] * blocks.count(), [&](std::int64_t task, Workspace& workspace) {
    const std::int64_t plane = task / blocks.count();
    const std::int64_t i2 = plane % node.ne[2];
    const std::int64_t i3 = plane / node.ne[2];
    const MatrixProduct product{
        rows_of(input, i2, i3),
        rows_of(weights, i2 / (node.ne[2] / weights.ne[2]), i3 / (node.ne[3] / weights.ne[3])),
        reinterpret_cast<float*>(row_of(node, 0, i2, i3)),
        node.ne[0],
        node.ne[1],
        node.ne[0],
        input.ne[0]};
    kernels.matrix_product(product, blocks.at(task % blocks.count()), workspace);
  });
}

}  // namespace

const Operation matrix_product{&takes, &run};

}  // namespace gpustack_draw::cpu
