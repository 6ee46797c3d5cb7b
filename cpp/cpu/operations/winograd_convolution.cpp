#include <algorithm>

#include "cpu/operations/block_partition.h"
#include "cpu/operations/convolution.h"
#include "cpu/operations/shared_packing.h"

namespace gpustack_draw::cpu {
namespace {

// The last columns are multiplied by half a register tile.
double whole_tiles(std::int64_t columns, const Kernels& kernels) {
  const std::int64_t half = kernels.nr / 2;
  return static_cast<double>(ceil_div(columns, half) * half);
}

std::int64_t tiles(const Convolution& c, std::int64_t tile_size) {
  return c.pictures * ceil_div(c.output_width, tile_size) * ceil_div(c.output_height, tile_size);
}

// Whole blocks of tiles whose transformed input stays in the last-level cache: 1 MiB per thread.
std::int64_t tiles_per_pass(const Convolution& c, std::int64_t tile_size, const Kernels& kernels,
                            int threads) {
  const std::int64_t max_elements = std::int64_t{256} * 1024 * threads;
  const std::int64_t block = kernels.winograd_limits.max_columns;
  const std::int64_t numbers = kernels.winograd_input_size(c, {tile_size, 0, block, nullptr});
  return block * std::max<std::int64_t>(1, max_elements / numbers);
}

void convolve_tiles(const Convolution& c, WinogradTiles tiles, const Kernels& kernels,
                    ThreadPool& pool) {
  tiles.input = take_shared(kernels.winograd_input_size(c, tiles), pool);
  constexpr std::int64_t channels_per_task = 32;
  const std::int64_t panels = ceil_div(tiles.count, kernels.nr);
  pool.parallel_for(
      panels * ceil_div(c.input_channels, channels_per_task), [&](std::int64_t task, Workspace&) {
        const std::int64_t channel = task / panels * channels_per_task;
        kernels.winograd_transform_input(c, tiles, task % panels, channel,
                                         std::min(channel + channels_per_task, c.input_channels));
      });
  const BlockPartition blocks(c.weights.count, tiles.count, kernels, pool.threads(),
                              kernels.winograd_limits);
  pool.parallel_for(blocks.count(), [&](std::int64_t task, Workspace& workspace) {
    kernels.winograd_convolution(c, tiles, blocks.at(task), workspace);
  });
}

}  // namespace

std::int64_t best_winograd_tile(const Convolution& c, const Kernels& kernels) {
  if (kernels.winograd_convolution == nullptr || !is_plain_three_by_three(c)) {
    return 0;
  }
  constexpr double transform_cost = 0.3;  // relative to a multiplication in f32; measured
  std::int64_t best = 0;
  // Multiplications per weight for all pixels, by which the algorithms are compared.
  double lowest = kernels.gemm_cost * 9 * static_cast<double>(c.pictures) *
                  whole_tiles(c.output_width * c.output_height, kernels);
  const auto try_tiles = [&](std::int64_t tile_size, double positions, double gemm_cost) {
    const std::int64_t columns = tiles(c, tile_size);
    const double winograd =
        (gemm_cost + transform_cost) * positions *
        (columns <= kernels.max_skinny_tiles ? static_cast<double>(kernels.max_skinny_tiles)
                                             : whole_tiles(columns, kernels));
    if (winograd < lowest) {
      lowest = winograd;
      best = tile_size;
    }
  };
  if (c.upsamples_input) {
    try_tiles(4, 25, kernels.gemm_cost);
  } else {
    try_tiles(2, 16, 1);
    try_tiles(4, 36, 1);
  }
  return best;
}

void run_winograd_convolution(const ggml_tensor& node, std::int64_t tile_size,
                              const Kernels& kernels, ThreadPool& pool) {
  const Convolution c = of_picture(node, 0, kernels);
  const std::int64_t count = tiles(c, tile_size);
  const std::int64_t per_pass = tiles_per_pass(c, tile_size, kernels, pool.threads());
  for (std::int64_t begin = 0; begin < count; begin += per_pass) {
    convolve_tiles(c, {tile_size, begin, std::min(per_pass, count - begin), nullptr}, kernels,
                   pool);
  }
}

}  // namespace gpustack_draw::cpu
