#include <algorithm>

#include "cpu/operations/block_partition.h"
#include "cpu/operations/convolution.h"
#include "cpu/operations/shared_packing.h"

namespace gpustack_draw::cpu {
namespace {

// Rows of a strip: few enough that its planes stay in L2 (1 MiB), but many compared to the two
// extra rows that are packed with them.
std::int64_t rows_per_strip(const Convolution& c, const ShiftedGemmKernels& shifted_gemm) {
  constexpr std::int64_t max_elements = std::int64_t{256} * 1024;
  constexpr std::int64_t min_rows = 4;
  std::int64_t rows = c.output_height;
  while (rows > min_rows &&
         shifted_gemm.packed_planes_size(c, {0, rows, nullptr, nullptr}) > max_elements) {
    rows = ceil_div(rows, 2);
  }
  return rows;
}

void convolve_strip(const Convolution& c, const Strip& strip, const Kernels& kernels,
                    ThreadPool& pool) {
  pool.parallel_for(kernels.shifted_gemm->plane_count(c), [&](std::int64_t plane, Workspace&) {
    kernels.shifted_gemm->pack_plane(c, strip, plane);
  });
  constexpr BlockLimits limits{64, 1024, 32, 128};
  const BlockPartition blocks(c.weights.count,
                              (strip.row_end - strip.row_begin) * (c.output_width + 1), kernels,
                              pool.threads(), limits);
  pool.parallel_for(blocks.count(), [&](std::int64_t task, Workspace& workspace) {
    kernels.shifted_gemm->convolution(c, strip, blocks.at(task), workspace);
  });
}

void convolve_shifted(const Convolution& c, const Kernels& kernels, ThreadPool& pool) {
  const ShiftedGemmKernels& shifted_gemm = *kernels.shifted_gemm;
  const std::int64_t rows = rows_per_strip(c, shifted_gemm);
  const std::int64_t packed_taps_size = shifted_gemm.packed_taps_size(c);
  const std::int64_t packed_planes_size =
      shifted_gemm.packed_planes_size(c, {0, rows, nullptr, nullptr});
  Packed* taps = take_shared(packed_taps_size + packed_planes_size, pool);
  pool.parallel_for(ceil_div(c.weights.count, kernels.mr), [&](std::int64_t task, Workspace&) {
    shifted_gemm.pack_taps(c, task * kernels.mr, taps);
  });
  for (std::int64_t row = 0; row < c.output_height; row += rows) {
    convolve_strip(c, {row, std::min(row + rows, c.output_height), taps, taps + packed_taps_size},
                   kernels, pool);
  }
}

}  // namespace

// Sorting weights by tap costs more than packing them in order and pays off only with enough
// pixels. Channels are multiplied 32 at a time.
bool suits_shifted_gemm(const Convolution& c, const Kernels& kernels) {
  constexpr std::int64_t min_pixels = 128;
  constexpr std::int64_t min_channels = 16;
  return kernels.shifted_gemm != nullptr && is_plain_three_by_three(c) && c.padding_x == 1 &&
         c.padding_y == 1 && c.input_channels >= min_channels &&
         c.output_width * c.output_height >= min_pixels;
}

// Slices of output channels keep the packed weights below max_shared_size.
void run_shifted_gemm_convolution(const ggml_tensor& node, const Kernels& kernels,
                                  ThreadPool& pool) {
  for (std::int64_t picture = 0; picture < node.ne[3]; ++picture) {
    const Convolution c = of_picture(node, picture, kernels);
    const std::int64_t slices =
        ceil_div(kernels.shifted_gemm->packed_taps_size(c), max_shared_size);
    const std::int64_t count = ceil_div(c.weights.count, slices);
    for (std::int64_t channel = 0; channel < c.weights.count; channel += count) {
      Convolution slice = c;
      slice.weights.rows.data =
          static_cast<const char*>(c.weights.rows.data) + channel * c.weights.rows.stride;
      slice.weights.count = std::min(count, c.weights.count - channel);
      slice.output += channel * c.output_width * c.output_height;
      convolve_shifted(slice, kernels, pool);
    }
  }
}

}  // namespace gpustack_draw::cpu
