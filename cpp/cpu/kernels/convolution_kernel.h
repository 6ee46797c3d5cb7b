#pragma once

// A convolution as a product: weights (a row an output channel) times patches (a column a pixel). The
// patches are never all in memory: the pixels a panel needs are packed straight from the picture,
// which takes one load a vector where neighbours in the output are neighbours in the input.

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
    const int64_t kernel = c_.kernel_width * c_.kernel_height;
    int64_t channel = depth / kernel;
    int64_t y = depth % kernel / c_.kernel_width;
    int64_t x = depth % c_.kernel_width;
    const auto line = [&](int64_t /*depth*/, int64_t /*column*/, float* numbers) {
      for (int64_t i = 0; i < tile_vectors; ++i) {
        const float* plane = c_.input + channel * c_.input_channel_stride;
        store(numbers + i * lanes, places[i].in_one_row ? neighbours(plane, places[i], x, y)
                                                        : one_by_one(plane, places[i], x, y));
      }
      if (++x == c_.kernel_width) {
        x = 0;
        if (++y == c_.kernel_height) {
          y = 0;
          ++channel;
        }
      }
    };
    pack_lines<column_tile>(line, pixel, depth, count, panel);
  }

 private:
  // A vector of pixels of the output.
  struct Place {
    int64_t pixel;
    int64_t x;
    int64_t y;
    bool in_one_row;  ///< Its neighbours are neighbours in the input too.
  };

  Place place(int64_t pixel) const {
    const int64_t x = pixel % c_.output_width;
    const int64_t y = pixel / c_.output_width;
    return {pixel, x, y,
            c_.stride_x == 1 && x + lanes <= c_.output_width && y < c_.output_height};
  }

  Vector neighbours(const float* plane, const Place& place, int64_t x, int64_t y) const {
    const int64_t input_x = place.x + x * c_.dilation_x - c_.padding_x;
    const int64_t input_y = place.y * c_.stride_y + y * c_.dilation_y - c_.padding_y;
    if (input_y < 0 || input_y >= c_.input_height) {
      return zero();
    }
    const float* first = plane + input_y * c_.input_width + input_x;
    if (input_x >= 0 && input_x + lanes <= c_.input_width) {
      return load(first);
    }
    return load_part(first, least(lanes, most(0, -input_x)),
                     most(0, least(lanes, c_.input_width - input_x)));
  }

  Vector one_by_one(const float* plane, const Place& place, int64_t x, int64_t y) const {
    alignas(64) float numbers[lanes] = {};
    int64_t output_x = place.x;
    int64_t output_y = place.y;
    for (int64_t i = 0; i < lanes && output_y < c_.output_height; ++i) {
      const int64_t input_x = output_x * c_.stride_x + x * c_.dilation_x - c_.padding_x;
      const int64_t input_y = output_y * c_.stride_y + y * c_.dilation_y - c_.padding_y;
      if (input_x >= 0 && input_x < c_.input_width && input_y >= 0 && input_y < c_.input_height) {
        numbers[i] = plane[input_y * c_.input_width + input_x];
      }
      if (++output_x == c_.output_width) {
        output_x = 0;
        ++output_y;
      }
    }
    return load(numbers);
  }

  const Convolution& c_;
};

inline void convolution(const Convolution& convolution, const Block& block, Workspace& workspace) {
  const RowPacker<row_tile> weights(convolution.weights, block.row_end);
  const PatchPacker patches(convolution);
  const int64_t pixels = convolution.output_width * convolution.output_height;
  multiply(
      [&](int64_t row, int64_t depth, int64_t count, float* panel, float* numbers) {
        weights.pack(block.row_begin + row, depth, count, panel, numbers);
      },
      [&](int64_t column, int64_t depth, int64_t count, float* panel, float* /*numbers*/) {
        patches.pack(block.column_begin + column, depth, count, panel);
      },
      block.row_end - block.row_begin, block.column_end - block.column_begin,
      convolution.kernel_width * convolution.kernel_height * convolution.input_channels,
      convolution.output + block.row_begin * pixels + block.column_begin, pixels,
      /*accumulate=*/false, workspace.panels);
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
