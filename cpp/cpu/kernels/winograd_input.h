#pragma once

// The first of Winograd's three parts: the input, tile by tile.

#include "cpu/kernels/product.h"
#include "cpu/kernels/winograd_bases.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

/// Where the tiles lie in the picture, and their transformed input in memory.
template <typename Basis>
class TiledPicture {
 public:
  static constexpr int64_t side = Basis::side;
  static constexpr int64_t places = Basis::points * Basis::points;

  /// A tile's first pixel of the output.
  struct Corner {
    int64_t x;
    int64_t y;
  };

  TiledPicture(const Convolution& convolution, const Tiles& tiles)
      : tiles_(tiles),
        across_(divide_up(convolution.output_width, side)),
        panels_(divide_up(tiles.count, column_tile)),
        panel_numbers_((divide_up(convolution.input_channels, Basis::Units::depth) + 1) *
                       column_tile) {}

  /// What is past the last tile is that tile again.
  Corner corner(int64_t i) const {
    const int64_t tile = tiles_.begin + least(i, tiles_.count - 1);
    return {tile % across_ * side, tile / across_ * side};
  }

  /// [place][panel][unit of channels][tile]. Panels are an odd number of cache lines apart, or all
  /// places would want the same part of the cache.
  float* input(int64_t place, int64_t panel) const {
    return tiles_.input + (place * panels_ + panel) * panel_numbers_;
  }
  int64_t input_numbers() const { return places * panels_ * panel_numbers_; }

 private:
  const Tiles& tiles_;
  int64_t across_;
  int64_t panels_;
  int64_t panel_numbers_;
};

/// Transforms the input of a panel of tiles.
template <typename Basis>
class InputTransform {
 public:
  InputTransform(const Convolution& convolution, const Tiles& tiles, int64_t panel)
      : c_(convolution), picture_(convolution, tiles), panel_(panel) {
    for (int64_t i = 0; i < column_tile; ++i) {
      const Corner corner = picture_.corner(panel * column_tile + i);
      corners_[i] = {corner.x / Basis::enlargement - c_.padding_x,
                     corner.y / Basis::enlargement - c_.padding_y};
    }
  }

  void run(int64_t channel_begin, int64_t channel_end) const {
    for (int64_t channel = channel_begin; channel < channel_end; channel += Units::depth) {
      for (int64_t tile = 0; tile < column_tile; tile += 8) {
        const int64_t place_in_panel = channel / Units::depth * column_tile + tile;
        const auto store_eight = [&](int64_t place, const Eight(&lines)[Units::depth]) {
          _mm256_storeu_ps(picture_.input(place, panel_) + place_in_panel,
                           Units::eight_of_lines(lines));
        };
        if constexpr (Units::depth == 1) {
          transform_eight(channel, tile, [&](int64_t place, Eight x) { store_eight(place, {x}); });
        } else {
          // Past the last channel that one again, which meets zeros.
          const int64_t other = least(channel + 1, channel_end - 1);
          Eight first[places];
          transform_eight(channel, tile, [&](int64_t place, Eight x) { first[place] = x; });
          transform_eight(other, tile,
                          [&](int64_t place, Eight x) { store_eight(place, {first[place], x}); });
        }
      }
    }
  }

 private:
  using Units = typename Basis::Units;
  static constexpr int64_t pixels = Basis::pixels;
  static constexpr int64_t points = Basis::points;
  static constexpr int64_t places = TiledPicture<Basis>::places;

  using Corner = typename TiledPicture<Basis>::Corner;

  /// The input of a tile: lines `stride` numbers apart.
  struct Input {
    const float* first;
    int64_t stride;
  };

  // Has the memory bring what will be read of the next channel: mostly eight tiles lie side by
  // side.
  void ask_for_eight(const float* plane, const Corner& corner) const {
    for (int64_t line = 0; line < pixels; ++line) {
      const float* first = plane + (corner.y + line) * c_.input_width + corner.x;
      for (int64_t i = 0; i < 8 * Basis::side / Basis::enlargement; i += 16) {
        _mm_prefetch(first + i, _MM_HINT_T0);
      }
    }
  }

  // Within the picture, or in `room` with zeros around the picture's part.
  Input input_of(const float* plane, const Corner& corner, float (&room)[pixels][pixels]) const {
    const float* first = plane + corner.y * c_.input_width + corner.x;
    if (corner.x >= 0 && corner.x + pixels <= c_.input_width && corner.y >= 0 &&
        corner.y + pixels <= c_.input_height) {
      return {first, c_.input_width};
    }
    for (int64_t line = 0; line < pixels; ++line) {
      const int64_t y = corner.y + line;
      const bool is_inside = y >= 0 && y < c_.input_height;
      for (int64_t column = 0; column <= pixels - 4; column += 2) {
        _mm_storeu_ps(&room[line][column],
                      is_inside ? _mm_maskload_ps(first + line * c_.input_width + column,
                                                  columns_inside(corner.x + column))
                                : _mm_setzero_ps());
      }
    }
    return {room[0], pixels};
  }

  // Which of four neighbours are in the picture.
  __m128i columns_inside(int64_t x) const {
    const __m128i columns =
        _mm_add_epi32(_mm_set1_epi32(static_cast<int>(x)), _mm_setr_epi32(0, 1, 2, 3));
    return _mm_andnot_si128(
        _mm_srai_epi32(columns, 31),
        _mm_cmplt_epi32(columns, _mm_set1_epi32(static_cast<int>(c_.input_width))));
  }

  // A line of eight tiles, column by column.
  static void load_line(const Input (&inputs)[8], int64_t line, Eight (&columns)[pixels]) {
    for (int64_t column = 0; column <= pixels - 4; column += 2) {
      Eight halves[4];
      for (int64_t i = 0; i < 4; ++i) {
        const Input& low = inputs[i];
        const Input& high = inputs[i + 4];
        halves[i] = _mm256_set_m128(_mm_loadu_ps(high.first + line * high.stride + column),
                                    _mm_loadu_ps(low.first + line * low.stride + column));
      }
      turn_four(halves);
      for (int64_t i = 0; i < 4; ++i) {
        columns[column + i] = halves[i];
      }
    }
  }

  template <typename Store>
  void transform_eight(int64_t channel, int64_t tile, const Store& store_place) const {
    const float* plane = c_.input + channel * c_.input_channel_stride;
    ask_for_eight(plane + Units::depth * c_.input_channel_stride, corners_[tile]);
    float rooms[8][pixels][pixels];
    Input inputs[8];
    for (int64_t i = 0; i < 8; ++i) {
      inputs[i] = input_of(plane, corners_[tile + i], rooms[i]);
    }
    Eight lines[pixels][points];
    for (int64_t y = 0; y < pixels; ++y) {
      Eight line[pixels];
      load_line(inputs, y, line);
      Basis::transform_input(line, lines[y]);
    }
    transform_columns(lines, &Basis::transform_input, [&](int64_t x, const Eight(&column)[points]) {
      for (int64_t y = 0; y < points; ++y) {
        store_place(y * points + x, column[y]);
      }
    });
  }

  const Convolution& c_;
  TiledPicture<Basis> picture_;
  int64_t panel_;
  Corner corners_[column_tile];  ///< Of the input that the tiles need.
};

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
