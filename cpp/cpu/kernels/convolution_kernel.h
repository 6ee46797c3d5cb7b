#pragma once

// A convolution as a product: weights (a row an output channel) times patches (a column a pixel).
// The pixels a panel needs are packed straight from the picture, which takes one load a vector
// where neighbours in the output are neighbours in the input. The patches are all in memory only
// where they are few and several blocks of output channels would pack them anew.

#include "cpu/kernels/product.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

class PatchPacker {
 public:
  explicit PatchPacker(const Convolution& convolution) : c_(convolution) {}

  /// Pack `count` numbers of the patches of column_tile pixels from `pixel` on.
  void pack(int64_t pixel, int64_t depth, int64_t count, float* panel) const {
    Place places[tile_vectors];
    for (int64_t i = 0; i < tile_vectors; ++i) {
      places[i] = place(pixel + i * lanes);
    }
    LineWriter writer(panel);
    int64_t x = depth % c_.kernel_width;
    int64_t y = depth / c_.kernel_width % c_.kernel_height;
    const float* plane =
        c_.input + depth / c_.kernel_width / c_.kernel_height * c_.input_channel_stride;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t shift_x = x * c_.dilation_x - c_.padding_x;
      const int64_t shift_y = y * c_.dilation_y - c_.padding_y;
      writer.add({numbers(plane, places[0], shift_x, shift_y),
                  numbers(plane, places[1], shift_x, shift_y)});
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
  /// A vector of pixels of the output, and where the input's lie for a kernel's first number.
  struct Place {
    bool is_empty;    ///< All past the end.
    bool in_one_row;  ///< Its neighbours are neighbours in the input too: the first tells where.
    std::int32_t xs[lanes];
    std::int32_t ys[lanes];
    std::int32_t offsets[lanes];
  };

  Place place(int64_t pixel) const {
    int64_t x = pixel % c_.output_width;
    int64_t y = pixel / c_.output_width;
    Place place{};
    place.is_empty = y >= c_.output_height;
    place.in_one_row = c_.stride_x == 1 && x + lanes <= c_.output_width;
    for (int64_t i = 0; i < (place.in_one_row ? 1 : lanes); ++i) {
      constexpr std::int32_t nowhere = 1 << 30;
      place.xs[i] = static_cast<std::int32_t>(x * c_.stride_x);
      place.ys[i] = y < c_.output_height ? static_cast<std::int32_t>(y * c_.stride_y) : nowhere;
      place.offsets[i] =
          static_cast<std::int32_t>(y * c_.stride_y * c_.input_width + x * c_.stride_x);
      if (++x == c_.output_width) {
        x = 0;
        ++y;
      }
    }
    return place;
  }

  Vector numbers(const float* plane, const Place& place, int64_t shift_x, int64_t shift_y) const {
    if (place.is_empty) {
      return zero();
    }
    const int64_t shift = shift_y * c_.input_width + shift_x;
    if (!place.in_one_row) {
      const Integers x = add(load(place.xs), all_integers(shift_x));
      const Integers y = add(load(place.ys), all_integers(shift_y));
      return gather(plane, add(load(place.offsets), all_integers(shift)),
                    both(is_index(x, c_.input_width), is_index(y, c_.input_height)));
    }
    const int64_t y = place.ys[0] + shift_y;
    if (y < 0 || y >= c_.input_height) {
      return zero();
    }
    const int64_t x = place.xs[0] + shift_x;
    const float* first = plane + place.offsets[0] + shift;
    if (x >= 0 && x + lanes <= c_.input_width) {
      return load(first);
    }
    return load_part(first, least(lanes, most(0, -x)), most(0, least(lanes, c_.input_width - x)));
  }

  const Convolution& c_;
};

inline void pack_patches(const Convolution& c, int64_t pixel, int64_t depth, float* patches) {
  PatchPacker(c).pack(pixel, depth, chunk_at(c.patches.depth, depth),
                      patches + right_place(c.patches, pixel, depth));
}

inline void convolution(const Convolution& c, const Block& block, Workspace& workspace) {
  const PatchPacker packer(c);
  const Place output{c.output + block.row_begin * c.patches.count + block.column_begin,
                     c.patches.count};
  multiply_into(
      output, LeftPanels(c.weights, block.row_begin, block.row_end),
      [&](int64_t column, int64_t depth, int64_t count, float* panel,
          float* /*numbers*/) -> const float* {
        const int64_t pixel = block.column_begin + column;
        if (c.patches.panels != nullptr) {
          return c.patches.panels + right_place(c.patches, pixel, depth);
        }
        packer.pack(pixel, depth, count, panel);
        return panel;
      },
      block.row_end - block.row_begin, block.column_end - block.column_begin, c.patches.depth,
      workspace);
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
