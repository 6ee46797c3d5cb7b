#include "cpu/operations/convolution.h"
#include "cpu/operations/narrow.h"
#include "cpu/operations/sharing.h"

namespace gpustack_draw::cpu {
namespace {

// What the kernel lays over the picture for a pixel of the output.
void copy_patch(const Convolution& c, std::int64_t pixel, float* patch) {
  const std::int64_t left = pixel % c.output_width * c.stride_x - c.padding_x;
  const std::int64_t top = pixel / c.output_width * c.stride_y - c.padding_y;
  for (std::int64_t channel = 0; channel < c.input_channels; ++channel) {
    const float* plane = c.input + channel * c.input_channel_stride;
    for (std::int64_t i = 0; i < c.kernel_height; ++i) {
      const std::int64_t y = top + i * c.dilation_y;
      for (std::int64_t j = 0; j < c.kernel_width; ++j) {
        const std::int64_t x = left + j * c.dilation_x;
        const bool is_inside = y >= 0 && y < c.input_height && x >= 0 && x < c.input_width;
        *patch++ = is_inside ? plane[y * c.input_width + x] : 0;
      }
    }
  }
}

}  // namespace

bool has_few_pixels(const Convolution& c, const Kernels& kernels) {
  return c.patches.count <= kernels.most_narrow(c.patches.depth.whole);
}

void run_as_narrow_product(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  for (std::int64_t picture = 0; picture < node.ne[3]; ++picture) {
    const Convolution c = of_picture(node, picture, kernels);
    const std::int64_t depth = c.weights.depth.whole;
    const std::int64_t units = kernels.input_units(depth);
    float* patches = take_shared(c.patches.count * units, team);
    team.run(c.patches.count, [&](std::int64_t pixel, Workspace& workspace) {
      auto* patch = reinterpret_cast<float*>(
          workspace.panels.take(static_cast<std::size_t>(depth) * sizeof(float)));
      copy_patch(c, pixel, patch);
      kernels.pack_input(patch, depth, patches + pixel * units);
    });
    const NarrowProduct product{c.weights.rows,  patches, c.patches.count, depth, c.output,
                                c.patches.count, 1};
    run_narrow(1, c.weights.count, kernels, team, [&](std::int64_t) { return product; });
  }
}

}  // namespace gpustack_draw::cpu
