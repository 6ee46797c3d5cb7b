#include "cpu/operations/blocks.h"
#include "cpu/operations/operation.h"
#include "cpu/operations/sharing.h"

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
  c.stride_x = node.op_params[0];
  c.stride_y = node.op_params[1];
  c.padding_x = node.op_params[2];
  c.padding_y = node.op_params[3];
  c.dilation_x = node.op_params[4];
  c.dilation_y = node.op_params[5];
  return c;
}

// Multiplications a kernel's number takes for all pixels: what the ways to convolve differ in.
// Columns are multiplied by half a tile.
double cost(double products, std::int64_t columns, const Kernels& kernels) {
  const std::int64_t half = kernels.column_tile / 2;
  return products * static_cast<double>(divided_up(columns, half) * half);
}

std::int64_t tiles(const Convolution& c, std::int64_t side) {
  return divided_up(c.output_width, side) * divided_up(c.output_height, side);
}

bool is_plain_three_by_three(const Convolution& c) {
  return c.kernel_width == 3 && c.kernel_height == 3 && c.stride_x == 1 && c.stride_y == 1 &&
         c.dilation_x == 1 && c.dilation_y == 1;
}

// The side of the tiles to work in, or 0 where the plain way is the shorter one.
std::int64_t best_side(const Convolution& c, const Kernels& kernels) {
  if (kernels.convolution_in_tiles == nullptr || !is_plain_three_by_three(c)) {
    return 0;
  }
  constexpr double transforms = 1.3;  // what they add to the products, as measured
  std::int64_t best = 0;
  double least = kernels.product_cost * cost(9, c.output_width * c.output_height, kernels);
  for (const std::int64_t side : {2, 4}) {
    const auto places = static_cast<double>((side + 2) * (side + 2));
    const double in_tiles = transforms * cost(places, tiles(c, side), kernels);
    if (in_tiles < least) {
      least = in_tiles;
      best = side;
    }
  }
  return best;
}

// As many tiles as their transformed input stays in the last cache (a megabyte a thread), but whole
// blocks.
std::int64_t tiles_at_once(const Convolution& c, std::int64_t side, const Kernels& kernels,
                           int threads) {
  const std::int64_t most_numbers = std::int64_t{256} * 1024 * threads;
  const std::int64_t block = tile_limits.most_columns;
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
  const Blocks blocks(c.weights.count, tiles.count, kernels, team.threads(), tile_limits);
  team.run(blocks.count(), [&](std::int64_t task, Workspace& workspace) {
    kernels.convolution_in_tiles(c, tiles, blocks.at(task), workspace);
  });
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

// Sorting weights by their taps takes longer than packing them as they lie, which pays from some
// pixels on. Channels are multiplied by 32.
bool suits_taps(const Convolution& c, const Kernels& kernels) {
  constexpr std::int64_t fewest_pixels = 128;
  constexpr std::int64_t fewest_channels = 16;
  return kernels.by_taps != nullptr && is_plain_three_by_three(c) && c.padding_x == 1 &&
         c.padding_y == 1 && c.input_channels >= fewest_channels &&
         c.output_width * c.output_height >= fewest_pixels;
}

// So few that their planes stay in a core's second cache, a megabyte, but the two rows that are
// packed beside them are few too.
std::int64_t rows_at_once(const Convolution& c, const TapKernels& by_taps) {
  constexpr std::int64_t most_numbers = std::int64_t{256} * 1024;
  constexpr std::int64_t fewest = 4;
  std::int64_t rows = c.output_height;
  while (rows > fewest && by_taps.plane_numbers(c, {0, rows, nullptr, nullptr}) > most_numbers) {
    rows = divided_up(rows, 2);
  }
  return rows;
}

void convolve_strip(const Convolution& c, const Strip& strip, const Kernels& kernels, Team& team) {
  team.run(kernels.by_taps->plane_count(c),
           [&](std::int64_t plane, Workspace&) { kernels.by_taps->pack_plane(c, strip, plane); });
  constexpr BlockLimits limits{64, 1024, 32, 128};
  const Blocks blocks(c.weights.count, (strip.row_end - strip.row_begin) * (c.output_width + 1),
                      kernels, team.threads(), limits);
  team.run(blocks.count(), [&](std::int64_t task, Workspace& workspace) {
    kernels.by_taps->convolution(c, strip, blocks.at(task), workspace);
  });
}

void convolve_by_taps(const Convolution& c, const Kernels& kernels, Team& team) {
  const TapKernels& by_taps = *kernels.by_taps;
  const std::int64_t rows = rows_at_once(c, by_taps);
  const std::int64_t tap_numbers = by_taps.tap_numbers(c);
  const std::int64_t plane_numbers = by_taps.plane_numbers(c, {0, rows, nullptr, nullptr});
  float* taps = take_shared(tap_numbers + plane_numbers, team);
  team.run(divided_up(c.weights.count, kernels.row_tile), [&](std::int64_t task, Workspace&) {
    by_taps.pack_taps(c, task * kernels.row_tile, taps);
  });
  for (std::int64_t row = 0; row < c.output_height; row += rows) {
    convolve_strip(c, {row, std::min(row + rows, c.output_height), taps, taps + tap_numbers},
                   kernels, team);
  }
}

// As many output channels at once as their weights stay within what may be shared.
void run_by_taps(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  for (std::int64_t picture = 0; picture < node.ne[3]; ++picture) {
    const Convolution c = of_picture(node, picture, kernels);
    const std::int64_t slices = divided_up(kernels.by_taps->tap_numbers(c), most_shared_numbers);
    const std::int64_t count = divided_up(c.weights.count, slices);
    for (std::int64_t channel = 0; channel < c.weights.count; channel += count) {
      Convolution slice = c;
      slice.weights.rows.data =
          static_cast<const char*>(c.weights.rows.data) + channel * c.weights.rows.stride;
      slice.weights.count = std::min(count, c.weights.count - channel);
      slice.output += channel * c.output_width * c.output_height;
      convolve_by_taps(slice, kernels, team);
    }
  }
}

// Patches take long to pack on any CPU.
void share_sides(Convolution& c, const Blocks& blocks, const Kernels& kernels, Team& team) {
  const std::int64_t patches = shared_numbers(blocks.down(), kernels.patch_numbers(c));
  const std::int64_t weights =
      kernels.shares_sides ? shared_numbers(blocks.across(), kernels.left_numbers(c.weights)) : 0;
  float* panels = take_shared(patches + weights, team);
  if (patches > 0) {
    const Side pixels{{}, c.output_width * c.output_height, c.weights.depth};
    pack_side(pixels, kernels.column_tile, team,
              [&](std::int64_t pixel, std::int64_t depth, Workspace&) {
                kernels.pack_patches(c, pixel, depth, panels);
              });
    c.patches = panels;
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
  } else {
    run_as_product(node, kernels, team);
  }
}

}  // namespace

const Operation convolution{&takes, &run};

}  // namespace gpustack_draw::cpu
