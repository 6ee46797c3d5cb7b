#pragma once

// Convolutions of 3x3 with fewer multiplications: Lavin and Gray, "Fast algorithms for
// convolutional neural networks", arXiv:1509.09308.
//
// The picture is cut into tiles of side x side pixels of the output, each of which needs (side +
// 2)^2 of the input. Input and weights are brought into a basis of as many places in which the
// convolution is a product place by place; summed over the channels that is one matrix product a
// place. With a side of 4 there are 36 products where the plain way has 144, with a side of 2 there
// are 16 for 36; in f32, whose 24 bits these bases can spare a few of: bf16 could not. Where the
// picture was enlarged to twice its size, with neighbours alike, 25 products do, and in bf16.
//
// First the threads transform the input of many tiles, once for all output channels. Then each does
// blocks, some output channels of some tiles: a chunk of input channels of their weights, and the
// products.

#include "cpu/kernels/tap_sorter.h"
#include "cpu/kernels/winograd_input.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

/// A block holds one chunk of weights and its sums in the second cache. Its rows fill whole tiles,
/// tall ones too.
constexpr BlockLimits tile_limits =
    lanes == 8 ? BlockLimits{24, 64, 24, 16, 32} : BlockLimits{32, 64, 32, 16, 32};

/// Vectors of numbers.
struct NumberLanes {
  using Index = std::int32_t;
  static constexpr int64_t count = lanes;

  template <std::uint32_t mask>
  static Vector blend(Vector a, Vector b) {
    return LEVEL_NAMESPACE::blend<mask>(a, b);
  }
  static Vector permute(const Index (&order)[count], Vector x) {
    return LEVEL_NAMESPACE::permute(load(order), x);
  }
};

/// Some output channels (rows, at most most_rows) of some tiles (columns).
template <typename Basis>
class TiledBlock {
 public:
  static constexpr int64_t most_rows = tile_limits.most_rows;
  static_assert(most_rows % row_tile == 0);

  TiledBlock(const Convolution& convolution, const Tiles& tiles, const Block& block,
             Workspace& workspace)
      : c_(convolution),
        picture_(convolution, tiles),
        block_(block),
        tile_step_(round_up(columns(), column_tile)) {
    constexpr int64_t weight_numbers = places * weight_stride;
    sums_ = reinterpret_cast<float*>(workspace.sums.take(
        static_cast<std::size_t>(weight_numbers + places * sum_stride()) * sizeof(float)));
    weights_ = sums_ + places * sum_stride();
  }

  void run() const {
    for (int64_t channel = 0; channel < c_.input_channels; channel += channel_chunk) {
      const int64_t channels = least(channel_chunk, c_.input_channels - channel);
      transform_weights(channel, channels);
      if (channel == 0) {
        multiply_places<false>(channel, channels);
      } else {
        multiply_places<true>(channel, channels);
      }
    }
    for (int64_t i = 0; i < rows(); ++i) {
      transform_output(i);
    }
  }

 private:
  using Units = typename Basis::Units;
  static constexpr int64_t side = TiledPicture<Basis>::side;
  static constexpr int64_t points = Basis::points;
  static constexpr int64_t places = TiledPicture<Basis>::places;
  static constexpr int64_t channel_chunk = 64;
  // A row's weights at a place, and then 16 numbers, or all rows would want the same part of the
  // cache.
  static constexpr int64_t weight_row = channel_chunk / Units::depth + 16;
  static constexpr int64_t weight_stride = weight_row * most_rows + 16;

  int64_t rows() const { return block_.row_end - block_.row_begin; }
  int64_t columns() const { return block_.column_end - block_.column_begin; }
  int64_t sum_stride() const { return most_rows * tile_step_ + 16; }
  float* weights(int64_t place) const { return weights_ + place * weight_stride; }
  float* sums(int64_t place, int64_t row) const {
    return sums_ + place * sum_stride() + row * tile_step_;
  }

  void transform_weights(int64_t channel, int64_t channels) const {
    const RowReader reader(c_.weights.rows, block_.row_end);
    for (int64_t row = 0; row < round_up(rows(), row_tile); ++row) {
      const char* numbers = reader.place(block_.row_begin + row, channel * taps);
      const char* soon = reader.place(block_.row_begin + row + 2, channel * taps);
      if (reader.format() == Format::f32) {
        transform_row<4>(numbers, soon, channels, row,
                         [](const char* p) { return load(reinterpret_cast<const float*>(p)); });
      } else {
        transform_row<2>(numbers, soon, channels, row, [](const char* p) { return load_f16(p); });
      }
    }
  }

  // `soon`: what the memory is to bring meanwhile.
  template <int64_t number_bytes, typename Load>
  void transform_row(const char* numbers, const char* soon, int64_t channels, int64_t row,
                     const Load& load_numbers) const {
    constexpr int64_t group_bytes = taps * lanes * number_bytes;
    int64_t channel = 0;
    for (; channel + lanes <= channels; channel += lanes, numbers += group_bytes) {
      for (int64_t i = 0; i < group_bytes; i += 64, soon += 64) {
        _mm_prefetch(soon, _MM_HINT_T0);
      }
      transform_group<number_bytes>(numbers, row * weight_row + channel / Units::depth,
                                    load_numbers);
    }
    if (channel < channels) {
      alignas(64) char rest[group_bytes] = {};
      __builtin_memcpy(rest, numbers,
                       static_cast<std::size_t>((channels - channel) * taps * number_bytes));
      transform_group<number_bytes>(rest, row * weight_row + channel / Units::depth, load_numbers);
    }
  }

  // A vector of channels.
  template <int64_t number_bytes, typename Load>
  void transform_group(const char* numbers, int64_t place_in_panel,
                       const Load& load_numbers) const {
    Vector vectors[taps];
#pragma GCC unroll 9
    for (int64_t i = 0; i < taps; ++i) {
      vectors[i] = load_numbers(numbers + i * lanes * number_bytes);
    }
    Vector sorted[taps];
    TapSorter<NumberLanes>::sort(vectors, sorted);
    Vector lines[3][points];
    for (int64_t y = 0; y < 3; ++y) {
      const Vector line[3] = {sorted[y * 3], sorted[y * 3 + 1], sorted[y * 3 + 2]};
      Basis::transform_weights(line, lines[y]);
    }
    transform_columns(lines, &Basis::transform_weights,
                      [&](int64_t x, const Vector(&column)[points]) {
                        for (int64_t y = 0; y < points; ++y) {
                          Units::store_units(weights(y * points + x) + place_in_panel, column[y]);
                        }
                      });
  }

  template <bool accumulate>
  void multiply_places(int64_t channel, int64_t channels) const {
    const int64_t panel = block_.column_begin / column_tile;
    const int64_t unit = channel / Units::depth;
    const int64_t units = divide_up(channels, Units::depth);
    for (int64_t place = 0; place < places; ++place) {
      for (int64_t tile = 0; tile < columns(); tile += column_tile) {
        const float* input = picture_.input(place, panel + tile / column_tile) + unit * column_tile;
        for_tiles(rows(), least(column_tile, columns() - tile),
                  multiply_tile<accumulate, Units, weight_row>,
                  multiply_tall_tile<accumulate, Units, weight_row>,
                  [&](const auto& multiply_some, int64_t row, int64_t /*rows*/) {
                    const Place here{sums(place, row) + tile, tile_step_};
                    multiply_some(units, weights(place) + row * weight_row, input, here, here);
                  });
      }
    }
  }

  void transform_output(int64_t row) const {
    for (int64_t tile = 0; tile < columns(); tile += 8) {
      Eight lines[points][side];
      for (int64_t y = 0; y < points; ++y) {
        Eight line[points];
        for (int64_t x = 0; x < points; ++x) {
          line[x] = _mm256_loadu_ps(sums(y * points + x, row) + tile);
        }
        Basis::transform_output(line, lines[y]);
      }
      alignas(32) float done[side][side][8];
      transform_columns(lines, &Basis::transform_output,
                        [&](int64_t x, const Eight(&column)[side]) {
                          for (int64_t y = 0; y < side; ++y) {
                            _mm256_store_ps(done[y][x], column[y]);
                          }
                        });
      store_tiles(block_.row_begin + row, block_.column_begin + tile, done);
    }
  }

  void store_tiles(int64_t channel, int64_t tile, const float (&done)[side][side][8]) const {
    float* plane = c_.output + channel * c_.output_width * c_.output_height;
    for (int64_t i = 0; i < least(8, block_.column_end - tile); ++i) {
      const auto corner = picture_.corner(tile + i);
      for (int64_t y = 0; y < least(side, c_.output_height - corner.y); ++y) {
        float* pixels = plane + (corner.y + y) * c_.output_width + corner.x;
        for (int64_t x = 0; x < least(side, c_.output_width - corner.x); ++x) {
          pixels[x] = done[y][x][i];
        }
      }
    }
  }

  const Convolution& c_;
  TiledPicture<Basis> picture_;
  const Block& block_;
  int64_t tile_step_;  ///< Sums from one row to the next.
  float* sums_;        ///< [place][row][tile]
  float* weights_;     ///< [place][row][channel]
};

/// What a function makes of the basis that these tiles need.
template <typename Function>
inline auto with_basis(const Convolution& convolution, const Tiles& tiles,
                       const Function& function) {
  if (convolution.input_is_enlarged) {
    return function(EnlargedTilesOfFour());
  }
  return tiles.side == TilesOfFour::side ? function(TilesOfFour()) : function(TilesOfTwo());
}

inline int64_t tiled_numbers(const Convolution& convolution, const Tiles& tiles) {
  return with_basis(convolution, tiles, [&](auto basis) {
    return TiledPicture<decltype(basis)>(convolution, tiles).input_numbers();
  });
}

inline void transform_tiles(const Convolution& convolution, const Tiles& tiles, int64_t panel,
                            int64_t channel_begin, int64_t channel_end) {
  with_basis(convolution, tiles, [&](auto basis) {
    InputTransform<decltype(basis)>(convolution, tiles, panel).run(channel_begin, channel_end);
  });
}

inline void convolution_in_tiles(const Convolution& convolution, const Tiles& tiles,
                                 const Block& block, Workspace& workspace) {
  with_basis(convolution, tiles, [&](auto basis) {
    TiledBlock<decltype(basis)>(convolution, tiles, block, workspace).run();
  });
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
