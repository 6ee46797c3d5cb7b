#include <algorithm>

#include "cpu/operations/blocks.h"
#include "cpu/operations/convolution.h"
#include "cpu/operations/sharing.h"

namespace gpustack_draw::cpu {
namespace {

// Multiplications a kernel's number takes for all pixels: what the ways to convolve differ in.
// Columns are multiplied by half a tile.
double cost(double products, std::int64_t columns, const Kernels& kernels) {
  const std::int64_t half = kernels.column_tile / 2;
  return products * static_cast<double>(divided_up(columns, half) * half);
}

std::int64_t tiles(const Convolution& c, std::int64_t side) {
  return divided_up(c.output_width, side) * divided_up(c.output_height, side);
}

// As many tiles as their transformed input stays in the last cache (a megabyte a thread), but whole
// blocks.
std::int64_t tiles_at_once(const Convolution& c, std::int64_t side, const Kernels& kernels,
                           int threads) {
  const std::int64_t most_numbers = std::int64_t{256} * 1024 * threads;
  const std::int64_t block = kernels.tile_limits.most_columns;
  const std::int64_t numbers = kernels.tiled_numbers(c, {side, 0, block, nullptr});
  return block * std::max<std::int64_t>(1, most_numbers / numbers);
}

void convolve_tiles(const Convolution& c, Tiles tiles, const Kernels& kernels, Team& team) {
  tiles.input = take_shared(kernels.tiled_numbers(c, tiles), team);
  constexpr std::int64_t channels = 32;  // a task
  const std::int64_t panels = divided_up(tiles.count, kernels.column_tile);
  team.run(panels * divided_up(c.input_channels, channels), [&](std::int64_t task, Workspace&) {
    const std::int64_t channel = task / panels * channels;
    kernels.transform_tiles(c, tiles, task % panels, channel,
                            std::min(channel + channels, c.input_channels));
  });
  const Blocks blocks(c.weights.count, tiles.count, kernels, team.threads(), kernels.tile_limits);
  team.run(blocks.count(), [&](std::int64_t task, Workspace& workspace) {
    kernels.convolution_in_tiles(c, tiles, blocks.at(task), workspace);
  });
}

}  // namespace

std::int64_t best_side(const Convolution& c, const Kernels& kernels) {
  if (kernels.convolution_in_tiles == nullptr || !is_plain_three_by_three(c)) {
    return 0;
  }
  constexpr double transforms = 0.3;  // what they cost beside a product in f32, as measured
  std::int64_t best = 0;
  double least = kernels.product_cost * cost(9, c.output_width * c.output_height, kernels);
  const auto try_tiles = [&](std::int64_t side, double places, double product_cost) {
    const double in_tiles = (product_cost + transforms) * cost(places, tiles(c, side), kernels);
    if (in_tiles < least) {
      least = in_tiles;
      best = side;
    }
  };
  if (c.input_is_enlarged) {
    try_tiles(4, 25, kernels.product_cost);
  } else {
    try_tiles(2, 16, 1);
    try_tiles(4, 36, 1);
  }
  return best;
}

void run_in_tiles(const ggml_tensor& node, std::int64_t side, const Kernels& kernels, Team& team) {
  for (std::int64_t picture = 0; picture < node.ne[3]; ++picture) {
    const Convolution c = of_picture(node, picture, kernels);
    const std::int64_t count = tiles(c, side);
    const std::int64_t at_once = tiles_at_once(c, side, kernels, team.threads());
    for (std::int64_t begin = 0; begin < count; begin += at_once) {
      convolve_tiles(c, {side, begin, std::min(at_once, count - begin), nullptr}, kernels, team);
    }
  }
}

}  // namespace gpustack_draw::cpu
