#pragma once

// Convolution as implicit GEMM: weights (a row per output channel) times patches (a column per
// pixel). Panels are packed directly from the picture, with one load per vector where neighbors in
// the output are neighbors in the input. All patches are packed in advance only where they are few
// and several blocks of output channels would pack them again.

#include "cpu/kernels/gemm_block.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

class PatchPacker {
 public:
  explicit PatchPacker(const Convolution& convolution) : c_(convolution) {}

  /// Pack `count` numbers from k on of the patches of nr pixels from `pixel` on.
  void pack(int64_t pixel, int64_t k, int64_t count, Packed* panel) const {
    PixelVector pixels[nr_vectors];
    for (int64_t i = 0; i < nr_vectors; ++i) {
      pixels[i] = pixel_vector(pixel + i * lanes);
    }
    BPanelWriter writer(panel);
    int64_t x = k % c_.kernel_width;
    int64_t y = k / c_.kernel_width % c_.kernel_height;
    const float* plane =
        c_.input + k / c_.kernel_width / c_.kernel_height * c_.input_channel_stride;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t shift_x = x * c_.dilation_x - c_.padding_x;
      const int64_t shift_y = y * c_.dilation_y - c_.padding_y;
      writer.add({load_pixels(plane, pixels[0], shift_x, shift_y),
                  load_pixels(plane, pixels[1], shift_x, shift_y)});
      if (++x == c_.kernel_width) {
        x = 0;
        if (++y == c_.kernel_height) {
          y = 0;
          plane += c_.input_channel_stride;
        }
      }
    }
    writer.finish();
  }

 private:
  /// A vector of output pixels, and their inputs for the first number of the kernel.
  struct PixelVector {
    bool is_empty;    ///< All are past the end.
    bool in_one_row;  ///< Contiguous in the input; only the first entry is set.
    std::int32_t xs[lanes];
    std::int32_t ys[lanes];
    std::int32_t offsets[lanes];
  };

  PixelVector pixel_vector(int64_t pixel) const {
    int64_t x = pixel % c_.output_width;
    int64_t y = pixel / c_.output_width;
    PixelVector pixels{};
    pixels.is_empty = y >= c_.output_height;
    pixels.in_one_row = c_.stride_x == 1 && x + lanes <= c_.output_width;
    for (int64_t i = 0; i < (pixels.in_one_row ? 1 : lanes); ++i) {
      constexpr std::int32_t outside = 1 << 30;
      pixels.xs[i] = static_cast<std::int32_t>(x * c_.stride_x);
      pixels.ys[i] = y < c_.output_height ? static_cast<std::int32_t>(y * c_.stride_y) : outside;
      pixels.offsets[i] =
          static_cast<std::int32_t>(y * c_.stride_y * c_.input_width + x * c_.stride_x);
      if (++x == c_.output_width) {
        x = 0;
        ++y;
      }
    }
    return pixels;
  }

  Vector load_pixels(const float* plane, const PixelVector& pixels, int64_t shift_x,
                     int64_t shift_y) const {
    if (pixels.is_empty) {
      return zero();
    }
    const int64_t shift = shift_y * c_.input_width + shift_x;
    if (!pixels.in_one_row) {
      const Integers x = add(load(pixels.xs), broadcast_int(shift_x));
      const Integers y = add(load(pixels.ys), broadcast_int(shift_y));
      return gather(plane, add(load(pixels.offsets), broadcast_int(shift)),
                    both(is_index(x, c_.input_width), is_index(y, c_.input_height)));
    }
    const int64_t y = pixels.ys[0] + shift_y;
    if (y < 0 || y >= c_.input_height) {
      return zero();
    }
    const int64_t x = pixels.xs[0] + shift_x;
    const float* first = plane + pixels.offsets[0] + shift;
    if (x >= 0 && x + lanes <= c_.input_width) {
      return load(first);
    }
    return load_part(first, min(lanes, max(0, -x)), max(0, min(lanes, c_.input_width - x)));
  }

  const Convolution& c_;
};

inline void pack_patches(const Convolution& c, int64_t pixel, int64_t k, Packed* patches) {
  PatchPacker(c).pack(pixel, k, kc_at(c.patches.blocking, k),
                      patches + packed_b_offset(c.patches, pixel, k));
}

inline void convolution(const Convolution& c, const Block& block, Workspace& workspace) {
  const PatchPacker packer(c);
  const StridedTile output{c.output + block.row_begin * c.patches.count + block.column_begin,
                           c.patches.count};
  gemm_block(
      output, APanels(c.weights, block.row_begin, block.row_end),
      [&](int64_t column, int64_t k, int64_t count, Packed* panel,
          float* /*numbers*/) -> const Packed* {
        const int64_t pixel = block.column_begin + column;
        if (c.patches.panels != nullptr) {
          return c.patches.panels + packed_b_offset(c.patches, pixel, k);
        }
        packer.pack(pixel, k, count, panel);
        return panel;
      },
      block.row_end - block.row_begin, block.column_end - block.column_begin, c.patches.blocking,
      workspace);
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
