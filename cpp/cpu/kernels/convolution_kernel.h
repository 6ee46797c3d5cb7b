#pragma once

// A convolution as a product: weights (a row an output channel) times patches (a column a pixel).
// The patches are never all in memory: the pixels a panel needs are packed straight from the
// picture, which takes one load a vector where neighbours in the output are neighbours in the
// input.

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
    const int64_t end = depth + count;
    while (depth < end) {  // a row of the kernel
      const int64_t row = depth / c_.kernel_width;
      const int64_t next = least(end, (row + 1) * c_.kernel_width);
      const int64_t channel = row / c_.kernel_height;
      const int64_t y = (row % c_.kernel_height) * c_.dilation_y - c_.padding_y;
      const float* plane = c_.input + channel * c_.input_channel_stride;
      for (int64_t x = depth % c_.kernel_width; depth < next; ++depth, ++x) {
        const int64_t shift = x * c_.dilation_x - c_.padding_x;
        writer.add({numbers(plane, places[0], shift, y), numbers(plane, places[1], shift, y)});
      }
    }
    writer.finish();
  }

 private:
  /// A vector of pixels of the output, and where the input's lie for a kernel's first number.
  struct Place {
    int64_t x;
    int64_t y;
    bool is_empty;    ///< All past the end.
    bool in_one_row;  ///< Its neighbours are neighbours in the input too; else each one's place:
    std::int32_t xs[lanes];
    std::int32_t ys[lanes];
    std::int32_t offsets[lanes];
  };

  Place place(int64_t pixel) const {
    Place place{};
    place.is_empty = pixel >= c_.output_width * c_.output_height;
    place.x = pixel % c_.output_width * c_.stride_x;
    place.y = pixel / c_.output_width * c_.stride_y;
    place.in_one_row = c_.stride_x == 1 && place.x + lanes <= c_.output_width &&
                       pixel < c_.output_width * c_.output_height;
    for (int64_t i = 0; i < lanes && !place.in_one_row; ++i, ++pixel) {
      const int64_t x = pixel % c_.output_width * c_.stride_x;
      const int64_t y = pixel / c_.output_width * c_.stride_y;
      const bool is_there = pixel < c_.output_width * c_.output_height;
      constexpr std::int32_t nowhere = 1 << 30;
      place.xs[i] = static_cast<std::int32_t>(x);
      place.ys[i] = is_there ? static_cast<std::int32_t>(y) : nowhere;
      place.offsets[i] = static_cast<std::int32_t>(y * c_.input_width + x);
    }
    return place;
  }

  Vector numbers(const float* plane, const Place& place, int64_t x, int64_t y) const {
    if (place.is_empty) {
      return zero();
    }
    if (!place.in_one_row) {
      const Integers all_x = add(load(place.xs), all_integers(x));
      const Integers all_y = add(load(place.ys), all_integers(y));
      return gather(plane, add(load(place.offsets), all_integers(y * c_.input_width + x)),
                    both(is_index(all_x, c_.input_width), is_index(all_y, c_.input_height)));
    }
    x += place.x;
    y += place.y;
    if (y < 0 || y >= c_.input_height) {
      return zero();
    }
    const float* first = plane + y * c_.input_width + x;
    if (x >= 0 && x + lanes <= c_.input_width) {
      return load(first);
    }
    return load_part(first, least(lanes, most(0, -x)), most(0, least(lanes, c_.input_width - x)));
  }

  const Convolution& c_;
};

inline void convolution(const Convolution& convolution, const Block& block, Workspace& workspace) {
  const LeftPacker weights(convolution.weights, block.row_end);
  const PatchPacker patches(convolution);
  const int64_t pixels = convolution.output_width * convolution.output_height;
  multiply_into(
      convolution.output + block.row_begin * pixels + block.column_begin, pixels,
      [&](int64_t row, int64_t depth, int64_t count, float* panel, float* numbers) {
        weights.pack(block.row_begin + row, depth, count, panel, numbers);
      },
      [&](int64_t column, int64_t depth, int64_t count, float* panel, float* /*numbers*/) {
        patches.pack(block.column_begin + column, depth, count, panel);
      },
      block.row_end - block.row_begin, block.column_end - block.column_begin,
      convolution.kernel_width * convolution.kernel_height * convolution.input_channels, workspace);
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
