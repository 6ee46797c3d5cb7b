#include "cpu/operations/convolution.h"
#include "cpu/operations/shared_packing.h"
#include "cpu/operations/skinny_gemm.h"

namespace gpustack_draw::cpu {
namespace {

// Copy the input pixels that one output pixel depends on.
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

bool has_small_output(const Convolution& c, const Kernels& kernels) {
  return c.patches.count <= kernels.max_skinny_columns(c.patches.blocking.k);
}

void run_small_output_convolution(const ggml_tensor& node, const Kernels& kernels,
                                  ThreadPool& pool) {
  for (std::int64_t picture = 0; picture < node.ne[3]; ++picture) {
    const Convolution c = of_picture(node, picture, kernels);
    const std::int64_t k = c.weights.blocking.k;
    const std::int64_t patch_size = kernels.skinny_input_size(k);
    Packed* patches = take_shared(c.patches.count * patch_size, pool);
    pool.parallel_for(c.patches.count, [&](std::int64_t pixel, Workspace& workspace) {
      auto* patch = reinterpret_cast<float*>(
          workspace.panels.take(static_cast<std::size_t>(k) * sizeof(float)));
      copy_patch(c, pixel, patch);
      kernels.pack_skinny_input(patch, k, patches + pixel * patch_size);
    });
    const SkinnyGemm gemm{c.weights.rows,  patches, c.patches.count, k, c.output,
                          c.patches.count, 1};
    run_skinny_gemm(1, c.weights.count, kernels, pool, [&](std::int64_t) { return gemm; });
  }
}

}  // namespace gpustack_draw::cpu
