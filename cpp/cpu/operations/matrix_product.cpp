#include <algorithm>

#include "cpu/operations/blocks.h"
#include "cpu/operations/narrow.h"
#include "cpu/operations/operation.h"
#include "cpu/operations/sharing.h"

namespace gpustack_draw::cpu {
namespace {

// A product with a single row or few columns is left to ggml, which reads each weight once as well.
constexpr std::int64_t fewest = 8;

bool takes(const ggml_tensor& node) {
  const ggml_tensor& weights = *node.src[0];
  const ggml_tensor& input = *node.src[1];
  return input.type == GGML_TYPE_F32 && node.type == GGML_TYPE_F32 && has_plain_rows(weights) &&
         has_plain_rows(input) && ggml_is_contiguous(&node) && node.ne[1] > 1 &&
         node.ne[0] >= fewest && input.ne[0] >= fewest;
}

// ggml: node[row][column] = weights[column] . input[row]; input's planes may share those of
// weights.
MatrixProduct of_plane(const ggml_tensor& node, std::int64_t plane, const Kernels& kernels) {
  const ggml_tensor& weights = *node.src[0];
  const ggml_tensor& input = *node.src[1];
  const std::int64_t i2 = plane % node.ne[2];
  const std::int64_t i3 = plane / node.ne[2];
  const Rows left = rows_of(input, i2, i3);
  const Rows right =
      rows_of(weights, i2 / (node.ne[2] / weights.ne[2]), i3 / (node.ne[3] / weights.ne[3]));
  const Depth depth =
      kernels.depth_for(input.ne[0], std::max(left.block_numbers, right.block_numbers));
  return {{left, node.ne[1], depth},
          {right, node.ne[0], depth},
          reinterpret_cast<float*>(row_of(node, 0, i2, i3)),
          node.ne[0]};
}

void share_sides(MatrixProduct& product, const Blocks& blocks, const Kernels& kernels, Team& team) {
  const std::int64_t left = shared_numbers(blocks.across(), kernels.left_numbers(product.left));
  const std::int64_t right = shared_numbers(blocks.down(), kernels.right_numbers(product.right));
  float* panels = take_shared(left + right, team);
  if (left > 0) {
    share_left(product.left, panels, kernels, team);
  }
  if (right > 0) {
    share_right(product.right, panels + left, kernels, team);
  }
}

void run_narrowly(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  const ggml_tensor& input = *node.src[1];
  const std::int64_t units = kernels.input_units(input.ne[0]);
  const std::int64_t planes = node.ne[3] * node.ne[2];
  float* inputs = take_shared(planes * node.ne[1] * units, team);
  team.run(planes * node.ne[1], [&](std::int64_t row, Workspace&) {
    const std::int64_t plane = row / node.ne[1];
    kernels.pack_input(floats_at(input, row % node.ne[1], plane % node.ne[2], plane / node.ne[2]),
                       input.ne[0], inputs + row * units);
  });
  run_narrow(planes, node.ne[0], kernels, team, [&](std::int64_t plane) {
    const MatrixProduct product = of_plane(node, plane, kernels);
    return NarrowProduct{product.right.rows,   inputs + plane * node.ne[1] * units,
                         node.ne[1],           input.ne[0],
                         product.output,       1,
                         product.output_stride};
  });
}

void run_in_blocks(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  const Blocks blocks(node.ne[1], node.ne[0], kernels, team.threads(), kernels.product_limits);
  const std::int64_t planes = node.ne[3] * node.ne[2];
  MatrixProduct first = of_plane(node, 0, kernels);
  if (kernels.shares_sides && planes == 1) {
    share_sides(first, blocks, kernels, team);
  }
  team.run(planes * blocks.count(), [&](std::int64_t task, Workspace& workspace) {
    const std::int64_t plane = task / blocks.count();
    kernels.matrix_product(plane == 0 ? first : of_plane(node, plane, kernels),
                           blocks.at(task % blocks.count()), workspace);
  });
}

void run(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  if (node.ne[1] > kernels.most_narrow(node.src[1]->ne[0])) {
    run_in_blocks(node, kernels, team);
  } else {
    run_narrowly(node, kernels, team);
  }
}

}  // namespace

const Operation matrix_product{&takes, &run};

}  // namespace gpustack_draw::cpu
