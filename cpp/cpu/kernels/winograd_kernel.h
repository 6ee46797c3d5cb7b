#pragma once

// Convolutions of 3x3 with fewer multiplications: Lavin and Gray, "Fast algorithms for
// convolutional neural networks", arXiv:1509.09308.
//
// The picture is cut into tiles of side x side pixels of the output, each of which needs (side +
// 2)^2 of the input. Input and weights are brought into a basis of as many places in which the
// convolution is a product place by place; summed over the channels that is one matrix product a
// place. With a side of 4 there are 36 products where the plain way has 144, with a side of 2 there
// are 16 for 36. All in f32, whose 24 bits the bases can spare a few of: bf16 could not.
//
// A block (some output channels of some tiles) is one thread's. It transforms its tiles once, for
// all input channels; then a few output channels at a time: a chunk of input channels of their
// weights, and the products.

#include "cpu/kernels/product.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

/// Eight tiles, or the weights of eight output channels, at one place.
using Eight = __m256;

inline Eight times(float a, Eight x) { return _mm256_mul_ps(_mm256_set1_ps(a), x); }
inline Eight plus(Eight a, Eight b) { return _mm256_add_ps(a, b); }
inline Eight minus(Eight a, Eight b) { return _mm256_sub_ps(a, b); }
/// a * x + b
inline Eight add_times(float a, Eight x, Eight b) {
  return _mm256_fmadd_ps(_mm256_set1_ps(a), x, b);
}

/// The bases for tiles of 4x4, one line of a tile at a time. The points are 0, 1, -1, 2, -2.
struct TilesOfFour {
  static constexpr int64_t side = 4;

  static void transform_input(const Eight (&d)[6], Eight (&t)[6]) {
    const Eight a = add_times(-4, d[2], d[4]);
    const Eight b = add_times(-4, d[1], d[3]);
    const Eight c = minus(d[4], d[2]);
    const Eight e = times(2, minus(d[3], d[1]));
    t[0] = add_times(4, d[0], add_times(-5, d[2], d[4]));
    t[1] = plus(a, b);
    t[2] = minus(a, b);
    t[3] = plus(c, e);
    t[4] = minus(c, e);
    t[5] = add_times(4, d[1], add_times(-5, d[3], d[5]));
  }

  static void transform_weights(const Eight (&g)[3], Eight (&t)[6]) {
    const Eight a = times(-1.0F / 6, plus(g[0], g[2]));
    const Eight b = times(1.0F / 6, g[1]);
    const Eight c = add_times(1.0F / 24, g[0], times(1.0F / 6, g[2]));
    const Eight e = times(1.0F / 12, g[1]);
    t[0] = times(0.25F, g[0]);
    t[1] = minus(a, b);
    t[2] = plus(a, b);
    t[3] = plus(c, e);
    t[4] = minus(c, e);
    t[5] = g[2];
  }

  static void transform_output(const Eight (&t)[6], Eight (&y)[4]) {
    const Eight a = plus(t[1], t[2]);
    const Eight b = minus(t[1], t[2]);
    const Eight c = plus(t[3], t[4]);
    const Eight e = minus(t[3], t[4]);
    y[0] = plus(t[0], plus(a, c));
    y[1] = add_times(2, e, b);
    y[2] = add_times(4, c, a);
    y[3] = plus(add_times(8, e, b), t[5]);
  }
};

/// The bases for tiles of 2x2. The points are 0, 1, -1.
struct TilesOfTwo {
  static constexpr int64_t side = 2;

  static void transform_input(const Eight (&d)[4], Eight (&t)[4]) {
    t[0] = minus(d[0], d[2]);
    t[1] = plus(d[1], d[2]);
    t[2] = minus(d[2], d[1]);
    t[3] = minus(d[1], d[3]);
  }

  static void transform_weights(const Eight (&g)[3], Eight (&t)[4]) {
    const Eight a = times(0.5F, plus(g[0], g[2]));
    const Eight b = times(0.5F, g[1]);
    t[0] = g[0];
    t[1] = plus(a, b);
    t[2] = minus(a, b);
    t[3] = g[2];
  }

  static void transform_output(const Eight (&t)[4], Eight (&y)[2]) {
    y[0] = plus(t[0], plus(t[1], t[2]));
    y[1] = minus(t[1], plus(t[2], t[3]));
  }
};

/// One block of a convolution, of at most most_tiles tiles (the columns of the block).
constexpr int64_t most_tiles = 64;

template <typename Tiles>
class Winograd {
 public:
  Winograd(const Convolution& convolution, const Block& block)
      : c_(convolution),
        block_(block),
        tiles_(round_up(block.column_end - block.column_begin, column_tile)),
        input_stride_((convolution.input_channels + 1) * column_tile) {
    const int64_t across = divide_up(convolution.output_width, side);
    for (int64_t tile = block.column_begin; tile < block.column_end; ++tile) {
      corners_[tile - block.column_begin] = {tile % across * side, tile / across * side};
    }
  }

  void run(Workspace& workspace) {
    const int64_t input_numbers = places * tiles_ / column_tile * input_stride_;
    const int64_t sum_numbers = places * sum_stride();
    float* memory = reinterpret_cast<float*>(workspace.sums.take(
        static_cast<std::size_t>(input_numbers + sum_numbers +
                                 places * most_rows / row_tile * weight_stride) *
        sizeof(float)));
    input_ = memory;
    sums_ = memory + input_numbers;
    weights_ = sums_ + sum_numbers;
    transform_input();
    for (int64_t row = block_.row_begin; row < block_.row_end; row += most_rows) {
      const int64_t rows = least(most_rows, block_.row_end - row);
      for (int64_t channel = 0; channel < c_.input_channels; channel += channel_chunk) {
        const int64_t channels = least(channel_chunk, c_.input_channels - channel);
        transform_weights(row, rows, channel, channels, workspace.panels);
        if (channel == 0) {
          multiply_places<false>(rows, channel, channels);
        } else {
          multiply_places<true>(rows, channel, channels);
        }
      }
      for (int64_t i = 0; i < rows; ++i) {
        transform_output(row + i, sums_ + i * tiles_);
      }
    }
  }

 private:
  static constexpr int64_t side = Tiles::side;
  static constexpr int64_t size = side + 2;
  static constexpr int64_t places = size * size;
  static constexpr int64_t most_rows = 4 * row_tile;
  static constexpr int64_t channel_chunk = 64;
  // Panels end with room for what the last vector writes too much.
  static constexpr int64_t weight_stride = channel_chunk * row_tile + 16;

  /// A tile's first pixel of the output.
  struct Corner {
    int64_t x;
    int64_t y;
  };

  // Apart by an odd number of cache lines, or all places would want the same part of the cache.
  int64_t tile_count() const { return block_.column_end - block_.column_begin; }
  int64_t sum_stride() const { return most_rows * tiles_ + 16; }
  float* input(int64_t place, int64_t panel) const {
    return input_ + (place * (tiles_ / column_tile) + panel) * input_stride_;
  }
  float* weights(int64_t place, int64_t panel) const {
    return weights_ + (place * (most_rows / row_tile) + panel) * weight_stride;
  }

  // Eight tiles' line of the input, from the corner of each: size columns of eight.
  void load_line(const float* plane, int64_t tile, int64_t line, Eight (&columns)[8]) const {
    alignas(32) float part[8];
    for (int64_t i = 0; i < 8; ++i) {
      const Corner& corner = corners_[tile + i];
      const int64_t x = corner.x - c_.padding_x;
      const int64_t y = corner.y + line - c_.padding_y;
      if (tile + i >= tile_count() || y < 0 || y >= c_.input_height) {
        columns[i] = _mm256_setzero_ps();
      } else if (x >= 0 && x + 8 <= c_.input_width) {
        columns[i] = _mm256_loadu_ps(plane + y * c_.input_width + x);
      } else {
        for (int64_t j = 0; j < 8; ++j) {
          const bool is_inside = x + j >= 0 && x + j < c_.input_width;
          part[j] = is_inside ? plane[y * c_.input_width + x + j] : 0;
        }
        columns[i] = _mm256_load_ps(part);
      }
    }
    transpose(columns);
  }

  void transform_input() const {
    for (int64_t channel = 0; channel < c_.input_channels; ++channel) {
      const float* plane = c_.input + channel * c_.input_channel_stride;
      for (int64_t tile = 0; tile < tiles_; tile += 8) {
        Eight lines[size][size];
        for (int64_t y = 0; y < size; ++y) {
          Eight columns[8];
          Eight line[size];
          load_line(plane, tile, y, columns);
          for (int64_t x = 0; x < size; ++x) {
            line[x] = columns[x];
          }
          Tiles::transform_input(line, lines[y]);
        }
        const int64_t place_in_panel = channel * column_tile + tile % column_tile;
        for (int64_t x = 0; x < size; ++x) {
          Eight line[size];
          Eight done[size];
          for (int64_t y = 0; y < size; ++y) {
            line[y] = lines[y][x];
          }
          Tiles::transform_input(line, done);
          for (int64_t y = 0; y < size; ++y) {
            _mm256_storeu_ps(input(y * size + x, tile / column_tile) + place_in_panel, done[y]);
          }
        }
      }
    }
  }

  void transform_weights(int64_t row, int64_t rows, int64_t channel, int64_t channels,
                         Scratch& scratch) const {
    constexpr int64_t kernel = 9;
    auto* plain = reinterpret_cast<float*>(scratch.take(
        static_cast<std::size_t>(channel_chunk * kernel * row_tile + panel_slack) * sizeof(float)));
    const RowPacker<row_tile, Numbers> packer(c_.weights, row + rows);
    for (int64_t i = 0; i < rows; i += row_tile) {
      packer.pack(row + i, channel * kernel, channels * kernel, plain, nullptr);
      for (int64_t k = 0; k < channels; ++k) {
        Eight lines[3][size];
        for (int64_t y = 0; y < 3; ++y) {
          Eight line[3];
          for (int64_t x = 0; x < 3; ++x) {
            line[x] = _mm256_loadu_ps(plain + (k * kernel + y * 3 + x) * row_tile);
          }
          Tiles::transform_weights(line, lines[y]);
        }
        for (int64_t x = 0; x < size; ++x) {
          const Eight line[3] = {lines[0][x], lines[1][x], lines[2][x]};
          Eight done[size];
          Tiles::transform_weights(line, done);
          for (int64_t y = 0; y < size; ++y) {
            _mm256_storeu_ps(weights(y * size + x, i / row_tile) + k * row_tile, done[y]);
          }
        }
      }
    }
  }

  template <bool accumulate>
  void multiply_places(int64_t rows, int64_t channel, int64_t channels) const {
    for (int64_t place = 0; place < places; ++place) {
      for (int64_t j = 0; j < tiles_; j += column_tile) {
        for (int64_t i = 0; i < rows; i += row_tile) {
          multiply_tile<accumulate, Numbers>(channels, weights(place, i / row_tile),
                                             input(place, j / column_tile) + channel * column_tile,
                                             sums_ + place * sum_stride() + i * tiles_ + j, tiles_);
        }
      }
    }
  }

  // One output channel's tiles; sums of its first place.
  void transform_output(int64_t channel, const float* sums) const {
    float* plane = c_.output + channel * c_.output_width * c_.output_height;
    for (int64_t tile = 0; tile < tiles_; tile += 8) {
      Eight lines[size][side];
      for (int64_t y = 0; y < size; ++y) {
        Eight line[size];
        for (int64_t x = 0; x < size; ++x) {
          line[x] = _mm256_loadu_ps(sums + (y * size + x) * sum_stride() + tile);
        }
        Tiles::transform_output(line, lines[y]);
      }
      alignas(32) float done[side][side][8];
      for (int64_t x = 0; x < side; ++x) {
        Eight line[size];
        Eight pixels[side];
        for (int64_t y = 0; y < size; ++y) {
          line[y] = lines[y][x];
        }
        Tiles::transform_output(line, pixels);
        for (int64_t y = 0; y < side; ++y) {
          _mm256_store_ps(done[y][x], pixels[y]);
        }
      }
      store_tiles(plane, tile, done);
    }
  }

  void store_tiles(float* plane, int64_t tile, const float (&done)[side][side][8]) const {
    for (int64_t i = 0; i < least(8, tile_count() - tile); ++i) {
      const Corner& corner = corners_[tile + i];
      for (int64_t y = 0; y < least(side, c_.output_height - corner.y); ++y) {
        float* pixels = plane + (corner.y + y) * c_.output_width + corner.x;
        for (int64_t x = 0; x < least(side, c_.output_width - corner.x); ++x) {
          pixels[x] = done[y][x][i];
        }
      }
    }
  }

  const Convolution& c_;
  const Block& block_;
  Corner corners_[most_tiles] = {};
  int64_t tiles_;             ///< In this block, rounded up.
  int64_t input_stride_;      ///< Numbers of a panel of the input.
  float* input_ = nullptr;    ///< [place][panel][channel][tile]
  float* sums_ = nullptr;     ///< [place][row][tile]
  float* weights_ = nullptr;  ///< [place][panel][channel][row]
};

inline void convolution_in_tiles(const Convolution& convolution, int64_t side, const Block& block,
                                 Workspace& workspace) {
  if (side == TilesOfFour::side) {
    Winograd<TilesOfFour>(convolution, block).run(workspace);
  } else {
    Winograd<TilesOfTwo>(convolution, block).run(workspace);
  }
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
