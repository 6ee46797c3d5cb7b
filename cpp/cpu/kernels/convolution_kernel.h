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
    bool in_one_row;  ///< Its neighbours are neighbours in the input too.
  };

  Place place(int64_t pixel) const {
    const int64_t x = pixel % c_.output_width;
    const int64_t y = pixel / c_.output_width;
    return {x * c_.stride_x, y * c_.stride_y,
            c_.stride_x == 1 && x + lanes <= c_.output_width && y < c_.output_height};
  }

  Vector numbers(const float* plane, const Place& place, int64_t x, int64_t y) const {
    if (!place.in_one_row) {
      return one_by_one(plane, place, x, y);
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

  __attribute__((noinline)) Vector one_by_one(const float* plane, const Place& place, int64_t x,
                                              int64_t y) const {
    alignas(64) float found[lanes] = {};
    int64_t input_x = place.x + x;
    int64_t input_y = place.y + y;
    const int64_t end_x = c_.output_width * c_.stride_x + x;
    const int64_t end_y = c_.output_height * c_.stride_y + y;
    for (int64_t i = 0; i < lanes && input_y < end_y; ++i) {
      if (input_x >= 0 && input_x < c_.input_width && input_y >= 0 && input_y < c_.input_height) {
        found[i] = plane[input_y * c_.input_width + input_x];
      }
      input_x += c_.stride_x;
      if (input_x >= end_x) {
        input_x = x;
        input_y += c_.stride_y;
      }
    }
    return load(found);
  }

  const Convolution& c_;
};

inline void convolution(const Convolution& convolution, const Block& block, Workspace& workspace) {
  const RowPacker<row_tile> weights(convolution.weights, block.row_end);
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
