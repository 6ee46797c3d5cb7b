#pragma once

// The input transform of Winograd convolution.

#include "cpu/kernels/gemm_block.h"
#include "cpu/kernels/winograd_transforms.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// Positions of the tiles in the picture, and their transformed input in memory.
template <typename Transform>
class WinogradInput {
 public:
  static constexpr int64_t tile_size = Transform::tile_size;
  static constexpr int64_t positions = Transform::points * Transform::points;

  /// Top left output pixel of a tile.
  struct Corner {
    int64_t picture;
    int64_t x;
    int64_t y;
  };

  WinogradInput(const Convolution& convolution, const WinogradTiles& tiles)
      : tiles_(tiles),
        across_(ceil_div(convolution.output_width, tile_size)),
        per_picture_(across_ * ceil_div(convolution.output_height, tile_size)),
        panels_(ceil_div(tiles.count, nr)),
        panel_size_((ceil_div(convolution.input_channels, Transform::PackedElement::k_pack) + 1) *
                    nr) {}

  /// Past the last tile, that tile is repeated.
  Corner corner(int64_t i) const {
    const int64_t tile = tiles_.begin + min(i, tiles_.count - 1);
    const int64_t rest = tile % per_picture_;
    return {tile / per_picture_, rest % across_ * tile_size, rest / across_ * tile_size};
  }

  /// Panel of [position][panel][element of channels][tile]. Panels are an odd number of cache lines
  /// apart, so that positions use different cache sets.
  Packed* input(int64_t position, int64_t panel) const {
    return tiles_.input + (position * panels_ + panel) * panel_size_;
  }
  int64_t input_size() const { return positions * panels_ * panel_size_; }

 private:
  const WinogradTiles& tiles_;
  int64_t across_;
  int64_t per_picture_;
  int64_t panels_;
  int64_t panel_size_;
};

/// Transforms the input of a panel of tiles.
template <typename Transform>
class WinogradInputPacker {
 public:
  WinogradInputPacker(const Convolution& convolution, const WinogradTiles& tiles, int64_t panel)
      : c_(convolution), picture_(convolution, tiles), panel_(panel) {
    for (int64_t i = 0; i < nr; ++i) {
      const Corner corner = picture_.corner(panel * nr + i);
      corners_[i] = {corner.picture, corner.x / Transform::upsampling - c_.padding_x,
                     corner.y / Transform::upsampling - c_.padding_y};
    }
  }

  void run(int64_t channel_begin, int64_t channel_end) const {
    for (int64_t channel = channel_begin; channel < channel_end; channel += PackedElement::k_pack) {
      for (int64_t tile = 0; tile < nr; tile += 8) {
        const int64_t offset = channel / PackedElement::k_pack * nr + tile;
        const auto store_elements = [&](int64_t position,
                                        const Vector8(&lines)[PackedElement::k_pack]) {
          TARGET_NAMESPACE::store_eight(picture_.input(position, panel_) + offset,
                                        PackedElement::eight_from_lines(lines));
        };
        if constexpr (PackedElement::k_pack == 1) {
          transform_eight(channel, tile,
                          [&](int64_t position, Vector8 x) { store_elements(position, {x}); });
        } else {
          // Past the last channel, that one is repeated; its weights are zeros.
          const int64_t other = min(channel + 1, channel_end - 1);
          Vector8 first[positions];
          transform_eight(channel, tile, [&](int64_t position, Vector8 x) { first[position] = x; });
          transform_eight(other, tile, [&](int64_t position, Vector8 x) {
            store_elements(position, {first[position], x});
          });
        }
      }
    }
  }

  /// Transform a channel of eight tiles from `tile` on; store_point(position, vector) stores them.
  template <typename Store>
  void transform_eight(int64_t channel, int64_t tile, const Store& store_point) const {
    const float* plane = c_.input + channel * c_.input_channel_stride;
    prefetch_eight(plane + PackedElement::k_pack * c_.input_channel_stride, corners_[tile]);
    float padded[8][pixels][pixels];
    TileInput inputs[8];
    for (int64_t i = 0; i < 8; ++i) {
      inputs[i] = input_of(plane, corners_[tile + i], padded[i]);
    }
    Vector8 lines[pixels][points];
    for (int64_t y = 0; y < pixels; ++y) {
      Vector8 line[pixels];
      load_line(inputs, y, line);
      Transform::transform_input(line, lines[y]);
    }
    transform_columns(lines, &Transform::transform_input,
                      [&](int64_t x, const Vector8(&column)[points]) {
                        for (int64_t y = 0; y < points; ++y) {
                          store_point(y * points + x, column[y]);
                        }
                      });
  }

 private:
  using PackedElement = typename Transform::PackedElement;
  static constexpr int64_t pixels = Transform::pixels;
  static constexpr int64_t points = Transform::points;
  static constexpr int64_t positions = WinogradInput<Transform>::positions;

  using Corner = typename WinogradInput<Transform>::Corner;

  /// The input of a tile: lines `stride` numbers apart.
  struct TileInput {
    const float* first;
    int64_t stride;
  };

  // Address of a corner; `plane` is a channel of the first picture.
  const float* at(const float* plane, const Corner& corner) const {
    return plane + corner.picture * c_.input_picture_stride + corner.y * c_.input_width + corner.x;
  }

  // Prefetch the next channel; the eight tiles usually are neighbors.
  void prefetch_eight(const float* plane, const Corner& corner) const {
    for (int64_t line = 0; line < pixels; ++line) {
      const float* first = at(plane, corner) + line * c_.input_width;
      for (int64_t i = 0; i < 8 * Transform::tile_size / Transform::upsampling; i += 16) {
        prefetch_to_l1(first + i);
      }
    }
  }

  // The input of a tile: in the picture, or copied to `padded` with zeros around it.
  TileInput input_of(const float* plane, const Corner& corner,
                     float (&padded)[pixels][pixels]) const {
    const float* first = at(plane, corner);
    if (corner.x >= 0 && corner.x + pixels <= c_.input_width && corner.y >= 0 &&
        corner.y + pixels <= c_.input_height) {
      return {first, c_.input_width};
    }
    for (int64_t line = 0; line < pixels; ++line) {
      const int64_t y = corner.y + line;
      const bool is_inside = y >= 0 && y < c_.input_height;
      for (int64_t column = 0; column <= pixels - 4; column += 2) {
        store_four(&padded[line][column],
                   is_inside ? load_four_inside(first + line * c_.input_width + column,
                                                corner.x + column, c_.input_width)
                             : zero_four());
      }
    }
    return {padded[0], pixels};
  }

  // Load a line of eight tiles, transposed.
  static void load_line(const TileInput (&inputs)[8], int64_t line, Vector8 (&columns)[pixels]) {
    for (int64_t column = 0; column <= pixels - 4; column += 2) {
      Vector8 halves[4];
      for (int64_t i = 0; i < 4; ++i) {
        const TileInput& low = inputs[i];
        const TileInput& high = inputs[i + 4];
        halves[i] = join(load_four(low.first + line * low.stride + column),
                         load_four(high.first + line * high.stride + column));
      }
      transpose_four(halves);
      for (int64_t i = 0; i < 4; ++i) {
        columns[column + i] = halves[i];
      }
    }
  }

  const Convolution& c_;
  WinogradInput<Transform> picture_;
  int64_t panel_;
  Corner corners_[nr];  ///< Top left input pixels of the tiles.
};

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
