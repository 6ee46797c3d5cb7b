#pragma once

// A convolution of 3x3 tap by tap, for AMX. A tap is one of the kernel's nine places: its weights
// (a row an output channel) times the whole picture, moved by up to a pixel each way (a column a
// pixel), are one matrix product, and the nine are summed. So the picture is packed once, where
// patches pack each pixel nine times, which with AMX takes as long as to multiply.
//
// The picture lies in planes of two channels' units each. A row of a plane is a pixel longer than
// the picture's: a zero, which is what lies left of the row's first pixel and right of the last one
// of the row before. So all that a tap needs is to begin its tiles elsewhere. A column is computed
// for each of these zeros too, and not stored.

#include "cpu/kernels/product.h"
#include "cpu/kernels/tap_sorter.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

constexpr int64_t tap_channels = tile_units * Units::depth;  ///< What a tile multiplies at once.
constexpr int64_t tap_chunk = taps * tap_channels;           ///< Weights of as many channels.

inline int64_t tap_groups(const Convolution& c) {
  return divide_up(c.input_channels, tap_channels);
}

// [row tile][group of channels][tap][row][unit].
constexpr int64_t tap_panel = taps * row_tile * tile_units;

inline int64_t tap_numbers(const Convolution& c) {
  return divide_up(c.weights.count, row_tile) * tap_groups(c) * tap_panel;
}

/// Vectors of numbers in bf16, two a unit.
struct HalfLanes {
  using Index = std::uint16_t;
  static constexpr int64_t count = tap_channels;

  template <std::uint32_t mask>
  static Vector blend(Vector a, Vector b) {
    return _mm512_castsi512_ps(
        _mm512_mask_blend_epi16(mask, _mm512_castps_si512(a), _mm512_castps_si512(b)));
  }
  static Vector permute(const Index (&order)[count], Vector x) {
    return _mm512_castsi512_ps(
        _mm512_permutexvar_epi16(_mm512_loadu_si512(order), _mm512_castps_si512(x)));
  }
};

class TapPacker {
 public:
  explicit TapPacker(const Convolution& c)
      : rows_(c.weights.rows, c.weights.count), depth_(c.weights.depth.whole) {}

  /// All panels of a tile of rows.
  void pack(int64_t row, float* panels) const {
    for (int64_t depth = 0; depth < depth_; depth += tap_chunk, panels += tap_panel) {
      const int64_t count = least(tap_chunk, depth_ - depth);
      for (int64_t i = 0; i < row_tile; ++i) {
        const char* numbers = rows_.place(row + i, depth);
        if (rows_.format() == Format::f32) {
          pack_row<4>(numbers, count, panels + i * tile_units,
                      [](const char* p) { return Units::vector_of_f32(p); });
        } else {
          pack_row<2>(numbers, count, panels + i * tile_units,
                      [](const char* p) { return Units::vector_of_f16(p); });
        }
      }
    }
  }

 private:
  template <int64_t number_bytes, typename Load>
  static void pack_row(const char* numbers, int64_t count, float* panel, const Load& load_units) {
    alignas(64) char rest[tap_chunk * number_bytes];
    if (count < tap_chunk) {
      const auto bytes = static_cast<std::size_t>(count * number_bytes);
      __builtin_memset(rest, 0, sizeof(rest));
      __builtin_memcpy(rest, numbers, bytes);
      numbers = rest;
    }
    Vector vectors[taps];
#pragma GCC unroll 9
    for (int64_t i = 0; i < taps; ++i) {
      const char* place = numbers + i * tap_channels * number_bytes;
      _mm_prefetch(place + tap_chunk * number_bytes, _MM_HINT_T1);  // the next group's
      vectors[i] = load_units(place);
    }
    Vector sorted[taps];
    TapSorter<HalfLanes>::sort(vectors, sorted);
    for (int64_t tap = 0; tap < taps; ++tap) {
      store(panel + tap * row_tile * tile_units, sorted[tap]);
    }
  }

  RowReader rows_;
  int64_t depth_;
};

inline void pack_taps(const Convolution& c, int64_t row, float* panels) {
  TapPacker(c).pack(row, panels + row / row_tile * tap_groups(c) * tap_panel);
}

/// The planes of a strip of rows: theirs, the one above and the one below.
class Planes {
 public:
  Planes(const Convolution& convolution, const Strip& strip)
      : c_(convolution), strip_(strip), pitch_(convolution.output_width + 1) {
    // Room for the last tile's last tap, and for what a row's last vector writes past it. An odd
    // number of cache lines, or all lines of a tile would want the same part of the cache.
    const int64_t columns = (strip.row_end - strip.row_begin) * pitch_;
    stride_ = round_up(round_up(columns, column_tile) + 2 * pitch_ + lanes, 2 * lanes) + lanes;
  }

  int64_t pitch() const { return pitch_; }    ///< Columns from a row to the next.
  int64_t stride() const { return stride_; }  ///< Units from a plane to the next.
  float* plane(int64_t i) const { return strip_.planes + i * stride_; }

  void pack(int64_t i) const {
    float* line = plane(i);
    float* end = line + stride_;
    for (int64_t y = strip_.row_begin - 1; y <= strip_.row_end; ++y, line += pitch_) {
      *line = 0;
      pack_line(row(2 * i, y), row(2 * i + 1, y), line + 1);
    }
    __builtin_memset(line, 0, static_cast<std::size_t>(end - line) * sizeof(float));
  }

 private:
  // Null where there is none: zeros.
  const float* row(int64_t channel, int64_t y) const {
    return channel < c_.input_channels && y >= 0 && y < c_.input_height
               ? c_.input + channel * c_.input_channel_stride + y * c_.input_width
               : nullptr;
  }

  void pack_line(const float* even, const float* odd, float* line) const {
    for (int64_t x = 0; x < c_.input_width; x += lanes) {
      store(line + x, Units::interleave(pixels(even, x), pixels(odd, x)));
    }
  }

  Vector pixels(const float* row, int64_t x) const {
    if (row == nullptr) {
      return zero();
    }
    const int64_t count = c_.input_width - x;
    return count >= lanes ? load(row + x) : load_part(row + x, 0, count);
  }

  const Convolution& c_;
  const Strip& strip_;
  int64_t pitch_;
  int64_t stride_;
};

inline int64_t plane_count(const Convolution& c) { return tap_groups(c) * tile_units; }

inline int64_t plane_numbers(const Convolution& c, const Strip& strip) {
  return plane_count(c) * Planes(c, strip).stride();
}

inline void pack_plane(const Convolution& c, const Strip& strip, int64_t plane) {
  Planes(c, strip).pack(plane);
}

// sums[row_tile][column_tile] (+)= a group of channels.
template <bool accumulate>
inline void multiply_taps(const float* rows, const Planes& planes, const float* columns,
                          const Place& sums) {
  const SumTiles tiles = SumTiles::wide(sums);
  const int64_t plane_bytes = planes.stride() * static_cast<int64_t>(sizeof(float));
  tiles.load<accumulate>();
  for (int64_t y = 0; y < 3; ++y) {
    for (int64_t x = 0; x < 3; ++x) {
      multiply_registers(rows, columns + y * planes.pitch() + x, plane_bytes);
      rows += row_tile * tile_units;
    }
  }
  tiles.store();
}

/// Some output channels (rows) of some columns of a strip.
class TapBlock {
 public:
  TapBlock(const Convolution& c, const Strip& strip, const Block& block, Workspace& workspace)
      : c_(c),
        strip_(strip),
        block_(block),
        planes_(c, strip),
        columns_(round_up(block.column_end - block.column_begin, column_tile)),
        stride_(columns_ + lanes),
        sums_(reinterpret_cast<float*>(
            workspace.sums.take(static_cast<std::size_t>(row_tile * stride_) * sizeof(float)))) {}

  void run() const {
    const TilesInUse tiles_in_use;
    for (int64_t row = block_.row_begin; row < block_.row_end; row += row_tile) {
      const float* rows = strip_.taps + row / row_tile * tap_groups(c_) * tap_panel;
      multiply<false>(rows, 0);
      for (int64_t group = 1; group < tap_groups(c_); ++group) {
        multiply<true>(rows, group);
      }
      for (int64_t i = 0; i < least(row_tile, block_.row_end - row); ++i) {
        store_row(row + i, sums_ + i * stride_);
      }
    }
  }

 private:
  // The weights stay in the first cache while the picture passes by.
  template <bool accumulate>
  void multiply(const float* rows, int64_t group) const {
    const float* columns = planes_.plane(group * tile_units) + block_.column_begin;
    for (int64_t column = 0; column < columns_; column += column_tile) {
      multiply_taps<accumulate>(rows + group * tap_panel, planes_, columns + column,
                                {sums_ + column, stride_});
    }
  }

  void store_row(int64_t channel, const float* sums) const {
    float* rows = c_.output + (channel * c_.output_height + strip_.row_begin) * c_.output_width;
    int64_t column = block_.column_begin;
    while (column < block_.column_end) {
      const int64_t y = column / planes_.pitch();
      const int64_t x = column % planes_.pitch();
      const int64_t end = least(block_.column_end, (y + 1) * planes_.pitch());
      const int64_t pixels = least(end - column, c_.output_width - x);
      __builtin_memcpy(rows + y * c_.output_width + x, sums + column - block_.column_begin,
                       static_cast<std::size_t>(pixels) * sizeof(float));
      column = end;
    }
  }

  const Convolution& c_;
  const Strip& strip_;
  const Block& block_;
  Planes planes_;
  int64_t columns_;
  int64_t stride_;  ///< Sums from one row to the next: an odd number of cache lines.
  float* sums_;
};

inline void convolution_by_taps(const Convolution& c, const Strip& strip, const Block& block,
                                Workspace& workspace) {
  TapBlock(c, strip, block, workspace).run();
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
