#include "cpu/operations/convolution.h"

#include "cpu/operations/block_partition.h"
#include "cpu/operations/shared_packing.h"

namespace gpustack_draw::cpu {
namespace {

bool is_twice_as_large(const ggml_tensor& enlarged, const ggml_tensor& small) {
  return enlarged.ne[0] == 2 * small.ne[0] && enlarged.ne[1] == 2 * small.ne[1] &&
         enlarged.ne[2] == small.ne[2] && enlarged.ne[3] == small.ne[3];
}

bool supports(const ggml_tensor& node) {
  const ggml_tensor& weights = *node.src[0];
  const ggml_tensor& input = *node.src[1];
  return (weights.type == GGML_TYPE_F16 || weights.type == GGML_TYPE_F32) &&
         input.type == GGML_TYPE_F32 && node.type == GGML_TYPE_F32 &&
         ggml_is_contiguous(&weights) && ggml_is_contiguous(&node) &&
         input.nb[0] == sizeof(float) &&
         input.nb[1] == static_cast<std::size_t>(input.ne[0]) * sizeof(float);
}

// Packing patches is expensive on all targets.
void pack_whole_operands(Convolution& c, const BlockPartition& blocks, const Kernels& kernels,
                         ThreadPool& pool) {
  const std::int64_t patches = shared_size(blocks.block_rows(), kernels.packed_b_size(c.patches));
  const std::int64_t weights =
      kernels.packs_whole_operands
          ? shared_size(blocks.block_columns(), kernels.packed_a_size(c.weights))
          : 0;
  Packed* panels = take_shared(patches + weights, pool);
  if (patches > 0) {
    pack_whole(c.patches, kernels.nr, pool, [&](std::int64_t pixel, std::int64_t k, Workspace&) {
      kernels.pack_patches(c, pixel, k, panels);
    });
    c.patches.panels = panels;
  }
  if (weights > 0) {
    pack_whole_a(c.weights, panels + patches, kernels, pool);
  }
}

void run_implicit_gemm(const ggml_tensor& node, const Kernels& kernels, ThreadPool& pool) {
  const BlockPartition blocks(node.ne[2], node.ne[0] * node.ne[1], kernels, pool.threads(),
                              kernels.gemm_limits);
  for (std::int64_t picture = 0; picture < node.ne[3]; ++picture) {
    Convolution c = of_picture(node, picture, kernels);
    pack_whole_operands(c, blocks, kernels, pool);
    pool.parallel_for(blocks.count(), [&](std::int64_t task, Workspace& workspace) {
      kernels.convolution(c, blocks.at(task), workspace);
    });
  }
}

void run(const ggml_tensor& node, const Kernels& kernels, ThreadPool& pool) {
  const Convolution c = of_picture(node, 0, kernels);
  const std::int64_t tile_size = best_winograd_tile(c, kernels);
  if (tile_size > 0) {
    run_winograd_convolution(node, tile_size, kernels, pool);
  } else if (suits_shifted_gemm(c, kernels)) {
    run_shifted_gemm_convolution(node, kernels, pool);
  } else if (has_small_output(c, kernels)) {
    run_small_output_convolution(node, kernels, pool);
  } else {
    run_implicit_gemm(node, kernels, pool);
  }
}

}  // namespace

bool can_fuse_upsample(const ggml_tensor& node, const ggml_tensor& upsample,
                       const Kernels& kernels) {
  if (node.op != GGML_OP_CONV_2D || node.src[1] != &upsample || upsample.op != GGML_OP_UPSCALE ||
      upsample.op_params[0] != GGML_SCALE_MODE_NEAREST) {
    return false;
  }
  const ggml_tensor& small = *upsample.src[0];
  ggml_tensor merged = node;
  merged.src[1] = upsample.src[0];
  // ggml may reuse the memory of the small picture, which it considers read, for the output.
  if (!is_twice_as_large(upsample, small) || !supports(merged) || overlap(node, small)) {
    return false;
  }
  const Convolution c = of_picture(merged, 0, kernels);
  return c.upsamples_input && c.padding_x == 1 && c.padding_y == 1 &&
         best_winograd_tile(c, kernels) > 0;
}

// ggml: weights [kernel width, kernel height, input channels, output channels],
// input [width, height, channels, pictures].
Convolution of_picture(const ggml_tensor& node, std::int64_t picture, const Kernels& kernels) {
  const ggml_tensor& weights = *node.src[0];
  const ggml_tensor& input = *node.src[1];
  Convolution c{};
  c.input = floats_at(input, 0, 0, picture);
  c.input_channel_stride = static_cast<std::int64_t>(input.nb[2] / sizeof(float));
  c.input_picture_stride = static_cast<std::int64_t>(input.nb[3] / sizeof(float));
  c.pictures = node.ne[3] - picture;
  c.input_width = input.ne[0];
  c.input_height = input.ne[1];
  c.input_channels = input.ne[2];
  c.weights.rows = rows_of(weights, 0, 0);
  c.weights.rows.stride = static_cast<std::int64_t>(weights.nb[3]);
  c.weights.count = weights.ne[3];
  c.weights.blocking = kernels.k_blocking_for(weights.ne[0] * weights.ne[1] * weights.ne[2], 1);
  c.kernel_width = weights.ne[0];
  c.kernel_height = weights.ne[1];
  c.output = reinterpret_cast<float*>(row_of(node, 0, 0, picture));
  c.output_width = node.ne[0];
  c.output_height = node.ne[1];
  c.patches.count = c.output_width * c.output_height;
  c.patches.blocking = c.weights.blocking;
  c.stride_x = node.op_params[0];
  c.stride_y = node.op_params[1];
  c.padding_x = node.op_params[2];
  c.padding_y = node.op_params[3];
  c.dilation_x = node.op_params[4];
  c.dilation_y = node.op_params[5];
  const std::int64_t reach = c.dilation_x * (c.kernel_width - 1) + 1;
  const std::int64_t plain_width = (c.input_width + 2 * c.padding_x - reach) / c.stride_x + 1;
  c.upsamples_input = c.output_width != plain_width;
  return c;
}

bool is_plain_three_by_three(const Convolution& c) {
  return c.kernel_width == 3 && c.kernel_height == 3 && c.stride_x == 1 && c.stride_y == 1 &&
         c.dilation_x == 1 && c.dilation_y == 1;
}

const Operation ops::convolution{&supports, &run};

}  // namespace gpustack_draw::cpu
