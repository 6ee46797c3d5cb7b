#pragma once

// 3x3 convolution as nine shifted GEMMs, for AMX. A tap is one of the nine positions of the kernel:
// its weights (a row per output channel) times the picture shifted by up to a pixel in each
// direction (a column per pixel) is one GEMM, and the nine are summed. So each pixel is packed
// once, not nine times as in patches; packing patches would cost as much as multiplying them.
//
// The picture is packed into planes of two channels each. A row of a plane is one pixel longer than
// the picture's: that zero is both the left neighbor of its first pixel and the right neighbor of
// the previous row's last pixel. So a tap only changes the address at which its tiles begin. The
// column of each such zero is computed too, and not stored.

#include "cpu/kernels/gemm_block.h"
#include "cpu/kernels/tap_sorter.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

constexpr int64_t tap_channels = k_tile * PackedElement::k_pack;  ///< Channels of a tile.
constexpr int64_t tap_chunk = taps * tap_channels;                ///< Weights of those channels.

inline int64_t tap_groups(const Convolution& c) { return ceil_div(c.input_channels, tap_channels); }

// Packed weights are [row / mr][group of channels][tap][row][element].
constexpr int64_t tap_panel = taps * mr * k_tile;

inline int64_t packed_taps_size(const Convolution& c) {
  return ceil_div(c.weights.count, mr) * tap_groups(c) * tap_panel;
}

/// Vectors of bf16 numbers, for TapSorter.
struct Bf16Lanes {
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
      : rows_(c.weights.rows, c.weights.count), k_(c.weights.blocking.k) {}

  /// Pack all panels of mr rows.
  void pack(int64_t row, Packed* panels) const {
    for (int64_t k = 0; k < k_; k += tap_chunk, panels += tap_panel) {
      const int64_t count = min(tap_chunk, k_ - k);
      for (int64_t i = 0; i < mr; ++i) {
        const char* numbers = rows_.address(row + i, k);
        if (rows_.format() == Format::f32) {
          pack_row<4>(numbers, count, panels + i * k_tile,
                      [](const char* p) { return PackedElement::from_f32(p); });
        } else {
          pack_row<2>(numbers, count, panels + i * k_tile,
                      [](const char* p) { return PackedElement::from_f16(p); });
        }
      }
    }
  }

 private:
  template <int64_t number_bytes, typename Load>
  static void pack_row(const char* numbers, int64_t count, Packed* panel, const Load& load_packed) {
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
      const char* address = numbers + i * tap_channels * number_bytes;
      prefetch_to_l2(address + tap_chunk * number_bytes);  // the next group
      vectors[i] = load_packed(address);
    }
    Vector sorted[taps];
    TapSorter<Bf16Lanes>::sort(vectors, sorted);
    for (int64_t tap = 0; tap < taps; ++tap) {
      store(panel + tap * mr * k_tile, sorted[tap]);
    }
  }

  RowReader rows_;
  int64_t k_;
};

inline void pack_taps(const Convolution& c, int64_t row, Packed* panels) {
  TapPacker(c).pack(row, panels + row / mr * tap_groups(c) * tap_panel);
}

/// The planes of a strip: its rows, and the rows above and below it.
class Planes {
 public:
  Planes(const Convolution& convolution, const Strip& strip)
      : c_(convolution), strip_(strip), pitch_(convolution.output_width + 1) {
    // Space for the last tap of the last tile, and for the last vector of a row, which is stored
    // whole. An odd number of cache lines, so that lines of a tile use different cache sets.
    const int64_t columns = (strip.row_end - strip.row_begin) * pitch_;
    stride_ = round_up(round_up(columns, nr) + 2 * pitch_ + lanes, 2 * lanes) + lanes;
  }

  int64_t pitch() const { return pitch_; }    ///< Columns from a row to the next.
  int64_t stride() const { return stride_; }  ///< Elements from a plane to the next.
  Packed* plane(int64_t i) const { return strip_.planes + i * stride_; }

  void pack(int64_t i) const {
    Packed* line = plane(i);
    Packed* end = line + stride_;
    for (int64_t y = strip_.row_begin - 1; y <= strip_.row_end; ++y, line += pitch_) {
      *line = {};
      pack_line(row(2 * i, y), row(2 * i + 1, y), line + 1);
    }
    __builtin_memset(line, 0, static_cast<std::size_t>(end - line) * sizeof(Packed));
  }

 private:
  // A row of the input, or null outside of it, for zeros.
  const float* row(int64_t channel, int64_t y) const {
    return channel < c_.input_channels && y >= 0 && y < c_.input_height
               ? c_.input + channel * c_.input_channel_stride + y * c_.input_width
               : nullptr;
  }

  void pack_line(const float* even, const float* odd, Packed* line) const {
    for (int64_t x = 0; x < c_.input_width; x += lanes) {
      store(line + x, PackedElement::interleave(pixels(even, x), pixels(odd, x)));
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

inline int64_t plane_count(const Convolution& c) { return tap_groups(c) * k_tile; }

inline int64_t packed_planes_size(const Convolution& c, const Strip& strip) {
  return plane_count(c) * Planes(c, strip).stride();
}

inline void pack_plane(const Convolution& c, const Strip& strip, int64_t plane) {
  Planes(c, strip).pack(plane);
}

// sums[mr][nr] (+)= the nine taps of a group of channels.
template <bool accumulate>
inline void shifted_micro_kernel(const Packed* rows, const Planes& planes, const Packed* columns,
                                 const StridedTile& sums) {
  const AccumulatorTiles tiles = AccumulatorTiles::wide(sums);
  const int64_t plane_bytes = planes.stride() * static_cast<int64_t>(sizeof(Packed));
  tiles.load<accumulate>();
  for (int64_t y = 0; y < 3; ++y) {
    for (int64_t x = 0; x < 3; ++x) {
      multiply_tile_registers(rows, columns + y * planes.pitch() + x, plane_bytes);
      rows += mr * k_tile;
    }
  }
  tiles.store();
}

/// A block of output channels (rows) and columns of a strip.
class ShiftedGemmBlock {
 public:
  ShiftedGemmBlock(const Convolution& c, const Strip& strip, const Block& block,
                   Workspace& workspace)
      : c_(c),
        strip_(strip),
        block_(block),
        planes_(c, strip),
        columns_(round_up(block.column_end - block.column_begin, nr)),
        stride_(columns_ + lanes),
        sums_(take<float>(workspace.sums, mr * stride_)) {}

  void run() const {
    const ScopedTileConfig tile_config;
    for (int64_t row = block_.row_begin; row < block_.row_end; row += mr) {
      const Packed* rows = strip_.taps + row / mr * tap_groups(c_) * tap_panel;
      multiply<false>(rows, 0);
      for (int64_t group = 1; group < tap_groups(c_); ++group) {
        multiply<true>(rows, group);
      }
      for (int64_t i = 0; i < min(mr, block_.row_end - row); ++i) {
        store_row(row + i, sums_ + i * stride_);
      }
    }
  }

 private:
  // The weights stay in L1 while the picture is streamed.
  template <bool accumulate>
  void multiply(const Packed* rows, int64_t group) const {
    const Packed* columns = planes_.plane(group * k_tile) + block_.column_begin;
    for (int64_t column = 0; column < columns_; column += nr) {
      shifted_micro_kernel<accumulate>(rows + group * tap_panel, planes_, columns + column,
                                       {sums_ + column, stride_});
    }
  }

  void store_row(int64_t channel, const float* sums) const {
    float* rows = c_.output + (channel * c_.output_height + strip_.row_begin) * c_.output_width;
    int64_t column = block_.column_begin;
    while (column < block_.column_end) {
      const int64_t y = column / planes_.pitch();
      const int64_t x = column % planes_.pitch();
      const int64_t end = min(block_.column_end, (y + 1) * planes_.pitch());
      const int64_t pixels = min(end - column, c_.output_width - x);
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

inline void shifted_gemm_convolution(const Convolution& c, const Strip& strip, const Block& block,
                                     Workspace& workspace) {
  ShiftedGemmBlock(c, strip, block, workspace).run();
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
