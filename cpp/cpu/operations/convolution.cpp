#include "cpu/operations/blocks.h"
#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {
namespace {

bool takes(const ggml_tensor& node) {
  const ggml_tensor& weights = *node.src[0];
  const ggml_tensor& input = *node.src[1];
  return (weights.type == GGML_TYPE_F16 || weights.type == GGML_TYPE_F32) &&
         input.type == GGML_TYPE_F32 && node.type == GGML_TYPE_F32 &&
         ggml_is_contiguous(&weights) && ggml_is_contiguous(&node) &&
         input.nb[0] == sizeof(float) &&
         input.nb[1] == static_cast<std::size_t>(input.ne[0]) * sizeof(float);
}

// ggml: weights [kernel width, kernel height, input channels, output channels],
// input [width, height, channels, pictures].
Convolution of_picture(const ggml_tensor& node, std::int64_t picture) {
  const ggml_tensor& weights = *node.src[0];
  const ggml_tensor& input = *node.src[1];
  Convolution c{};
  c.input = reinterpret_cast<const float*>(row_of(input, 0, 0, picture));
  c.input_channel_stride = static_cast<std::int64_t>(input.nb[2] / sizeof(float));
  c.input_width = input.ne[0];
  c.input_height = input.ne[1];
  c.input_channels = input.ne[2];
  c.weights = rows_of(weights, 0, 0);
  c.weights.stride = static_cast<std::int64_t>(weights.nb[3]);
  c.kernel_width = weights.ne[0];
  c.kernel_height = weights.ne[1];
  c.output = reinterpret_cast<float*>(row_of(node, 0, 0, picture));
  c.output_width = node.ne[0];
  c.output_height = node.ne[1];
  c.output_channels = node.ne[2];
  c.stride_x = node.op_params[0];
  c.stride_y = node.op_params[1];
  c.padding_x = node.op_params[2];
  c.padding_y = node.op_params[3];
  c.dilation_x = node.op_params[4];
  c.dilation_y = node.op_params[5];
  return c;
}

void run(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  const Blocks blocks(node.ne[2], node.ne[0] * node.ne[1], kernels, team.threads());
  team.run(node.ne[3] * blocks.count(), [&](std::int64_t task, Workspace& workspace) {
    kernels.convolution(of_picture(node, task / blocks.count()), blocks.at(task % blocks.count()),
                        workspace);
  });
}

}  // namespace

const Operation convolution{&takes, &run};

}  // namespace gpustack_draw::cpu
