#include "cpu/operations/convolution.h"

#include "cpu/operations/blocks.h"
#include "cpu/operations/sharing.h"

namespace gpustack_draw::cpu {
namespace {

bool is_twice_as_large(const ggml_tensor& enlarged, const ggml_tensor& small) {
  return enlarged.ne[0] == 2 * small.ne[0] && enlarged.ne[1] == 2 * small.ne[1] &&
         enlarged.ne[2] == small.ne[2] && enlarged.ne[3] == small.ne[3];
}

bool takes(const ggml_tensor& node) {
  const ggml_tensor& weights = *node.src[0];
  const ggml_tensor& input = *node.src[1];
  return (weights.type == GGML_TYPE_F16 || weights.type == GGML_TYPE_F32) &&
         input.type == GGML_TYPE_F32 && node.type == GGML_TYPE_F32 &&
         ggml_is_contiguous(&weights) && ggml_is_contiguous(&node) &&
         input.nb[0] == sizeof(float) &&
         input.nb[1] == static_cast<std::size_t>(input.ne[0]) * sizeof(float);
}

// Patches take long to pack on any CPU.
void share_sides(Convolution& c, const Blocks& blocks, const Kernels& kernels, Team& team) {
  const std::int64_t patches = shared_numbers(blocks.down(), kernels.right_numbers(c.patches));
  const std::int64_t weights =
      kernels.shares_sides ? shared_numbers(blocks.across(), kernels.left_numbers(c.weights)) : 0;
  float* panels = take_shared(patches + weights, team);
  if (patches > 0) {
    pack_side(c.patches, kernels.column_tile, team,
              [&](std::int64_t pixel, std::int64_t depth, Workspace&) {
                kernels.pack_patches(c, pixel, depth, panels);
              });
    c.patches.panels = panels;
  }
  if (weights > 0) {
    share_left(c.weights, panels + patches, kernels, team);
  }
}

void run_as_product(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  const Blocks blocks(node.ne[2], node.ne[0] * node.ne[1], kernels, team.threads(),
                      kernels.product_limits);
  for (std::int64_t picture = 0; picture < node.ne[3]; ++picture) {
    Convolution c = of_picture(node, picture, kernels);
    share_sides(c, blocks, kernels, team);
    team.run(blocks.count(), [&](std::int64_t task, Workspace& workspace) {
      kernels.convolution(c, blocks.at(task), workspace);
    });
  }
}

void run(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  const Convolution c = of_picture(node, 0, kernels);
  const std::int64_t side = best_side(c, kernels);
  if (side > 0) {
    run_in_tiles(node, side, kernels, team);
  } else if (suits_taps(c, kernels)) {
    run_by_taps(node, kernels, team);
  } else if (has_few_pixels(c, kernels)) {
    run_as_narrow_product(node, kernels, team);
  } else {
    run_as_product(node, kernels, team);
  }
}

}  // namespace

bool can_enlarge(const ggml_tensor& node, const ggml_tensor& enlargement, const Kernels& kernels) {
  if (node.op != GGML_OP_CONV_2D || node.src[1] != &enlargement ||
      enlargement.op != GGML_OP_UPSCALE || enlargement.op_params[0] != GGML_SCALE_MODE_NEAREST) {
    return false;
  }
  const ggml_tensor& small = *enlargement.src[0];
  ggml_tensor merged = node;
  merged.src[1] = enlargement.src[0];
  // ggml believes that the small picture is not needed any more, and may write over it.
  if (!is_twice_as_large(enlargement, small) || !takes(merged) || overlap(node, small)) {
    return false;
  }
  const Convolution c = of_picture(merged, 0, kernels);
  return c.input_is_enlarged && c.padding_x == 1 && c.padding_y == 1 && best_side(c, kernels) > 0;
}

// ggml: weights [kernel width, kernel height, input channels, output channels],
// input [width, height, channels, pictures].
Convolution of_picture(const ggml_tensor& node, std::int64_t picture, const Kernels& kernels) {
  const ggml_tensor& weights = *node.src[0];
  const ggml_tensor& input = *node.src[1];
  Convolution c{};
  c.input = floats_at(input, 0, 0, picture);
  c.input_channel_stride = static_cast<std::int64_t>(input.nb[2] / sizeof(float));
  c.input_width = input.ne[0];
  c.input_height = input.ne[1];
  c.input_channels = input.ne[2];
  c.weights.rows = rows_of(weights, 0, 0);
  c.weights.rows.stride = static_cast<std::int64_t>(weights.nb[3]);
  c.weights.count = weights.ne[3];
  c.weights.depth = kernels.depth_for(weights.ne[0] * weights.ne[1] * weights.ne[2], 1);
  c.kernel_width = weights.ne[0];
  c.kernel_height = weights.ne[1];
  c.output = reinterpret_cast<float*>(row_of(node, 0, 0, picture));
  c.output_width = node.ne[0];
  c.output_height = node.ne[1];
  c.patches.count = c.output_width * c.output_height;
  c.patches.depth = c.weights.depth;
  c.stride_x = node.op_params[0];
  c.stride_y = node.op_params[1];
  c.padding_x = node.op_params[2];
  c.padding_y = node.op_params[3];
  c.dilation_x = node.op_params[4];
  c.dilation_y = node.op_params[5];
  const std::int64_t reach = c.dilation_x * (c.kernel_width - 1) + 1;
  const std::int64_t plain_width = (c.input_width + 2 * c.padding_x - reach) / c.stride_x + 1;
  c.input_is_enlarged = c.output_width != plain_width;
  return c;
}

bool is_plain_three_by_three(const Convolution& c) {
  return c.kernel_width == 3 && c.kernel_height == 3 && c.stride_x == 1 && c.stride_y == 1 &&
         c.dilation_x == 1 && c.dilation_y == 1;
}

const Operation convolution{&takes, &run};

}  // namespace gpustack_draw::cpu
