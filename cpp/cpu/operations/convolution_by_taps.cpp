#include <algorithm>

#include "cpu/operations/blocks.h"
#include "cpu/operations/convolution.h"
#include "cpu/operations/sharing.h"

namespace gpustack_draw::cpu {
namespace {

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

}  // namespace

// Sorting weights by their taps takes longer than packing them as they lie, which pays from some
// pixels on. Channels are multiplied by 32.
bool suits_taps(const Convolution& c, const Kernels& kernels) {
  constexpr std::int64_t fewest_pixels = 128;
  constexpr std::int64_t fewest_channels = 16;
  return kernels.by_taps != nullptr && is_plain_three_by_three(c) && c.padding_x == 1 &&
         c.padding_y == 1 && c.input_channels >= fewest_channels &&
         c.output_width * c.output_height >= fewest_pixels;
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

}  // namespace gpustack_draw::cpu
