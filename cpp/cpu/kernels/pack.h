#pragma once

// Packing: what a product reads, laid out in the order it is read in. A panel holds a few rows (or
// columns) side by side, unit by unit along the depth: panel[unit][row]. Rows past the end are zeros.
// The scheme is that of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication"
// (ACM TOMS 34, 2008).

#include "cpu/kernels/units.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

/// Depth that is packed at once: what a panel holds. Whole blocks of every quantisation.
constexpr int64_t depth_chunk = 256;

/// Panels are written in whole vectors of eight, also where they are narrower.
constexpr int64_t panel_slack = 8;

/// Packs rows whose numbers lie side by side along the depth, `width` rows a panel (at most 8, or a
/// multiple of 8).
template <int64_t width>
class RowPacker {
 public:
  RowPacker(const Rows& rows, int64_t row_end) : rows_(rows), row_end_(row_end) {}

  /// `numbers`: room for a panel's rows in f32, needed for quantised rows only.
  void pack(int64_t row, int64_t depth, int64_t count, float* panel, float* numbers) const {
    for (int64_t first = 0; first < width; first += 8) {
      const int64_t rows = most(0, least(least(8, width - first), row_end_ - row - first));
      pack_eight(row + first, rows, depth, count, panel + first, numbers);
    }
  }

 private:
  const char* place(int64_t row) const {
    return static_cast<const char*>(rows_.data) + row * rows_.stride;
  }

  void pack_eight(int64_t row, int64_t rows, int64_t depth, int64_t count, float* panel,
                  float* numbers) const {
    switch (rows_.format) {
      case Format::f32:
        return transpose_rows<4>(place(row) + depth * 4, rows_.stride, rows, count, panel,
                                 [](const char* p) {
                                   return units_of(reinterpret_cast<const float*>(p));
                                 });
      case Format::f16:
        return transpose_rows<2>(place(row) + depth * 2, rows_.stride, rows, count, panel,
                                 [](const char* p) { return units_of_f16(p); });
      case Format::bf16:
        return transpose_rows<2>(place(row) + depth * 2, rows_.stride, rows, count, panel,
                                 [](const char* p) { return units_of_bf16(p); });
      case Format::blocks:
        break;
    }
    const int64_t skipped = depth / rows_.block_numbers * rows_.block_bytes;
    for (int64_t i = 0; i < rows; ++i) {
      rows_.dequantise(place(row + i) + skipped, numbers + i * depth_chunk, count);
    }
    transpose_rows<4>(reinterpret_cast<const char*>(numbers), depth_chunk * 4, rows, count, panel,
                      [](const char* p) { return units_of(reinterpret_cast<const float*>(p)); });
  }

  template <int64_t number_bytes, typename LoadEight>
  static void transpose_rows(const char* data, int64_t stride, int64_t rows, int64_t count,
                             float* panel, const LoadEight& load_eight) {
    constexpr int64_t step = 8 * unit_depth;
    __m256 columns[8];
    for (int i = 0; i < 8; ++i) {
      columns[i] = _mm256_setzero_ps();
    }
    int64_t depth = 0;
    for (; depth + step <= count; depth += step) {
      for (int64_t i = 0; i < rows; ++i) {
        columns[i] = load_eight(data + i * stride + depth * number_bytes);
      }
      for (int64_t i = rows; i < 8; ++i) {
        columns[i] = _mm256_setzero_ps();
      }
      transpose(columns);
      for (int64_t i = 0; i < 8; ++i) {
        _mm256_storeu_ps(panel + i * width, columns[i]);
      }
      panel += 8 * width;
    }
    if (depth == count) {
      return;
    }
    alignas(64) char rest[8][step * number_bytes] = {};
    for (int64_t i = 0; i < rows; ++i) {
      __builtin_memcpy(rest[i], data + i * stride + depth * number_bytes,
                       static_cast<std::size_t>((count - depth) * number_bytes));
    }
    for (int64_t i = 0; i < 8; ++i) {
      columns[i] = load_eight(rest[i]);
    }
    transpose(columns);
    for (int64_t i = 0; i < units_for(count - depth); ++i) {
      _mm256_storeu_ps(panel + i * width, columns[i]);
    }
  }

  Rows rows_;
  int64_t row_end_;
};

/// Turn two lines of `width` numbers, neighbours along the depth, into a panel's next units.
template <int64_t width>
inline void store_units(const float* even, const float* odd, float* panel) {
  for (int64_t i = 0; i < width; i += lanes) {
#if GPUSTACK_DRAW_LEVEL == GPUSTACK_DRAW_AVX512_BF16
    store(panel + i, interleave(load(even + i), load(odd + i)));
#else
    static_cast<void>(odd);
    store(panel + i, load(even + i));
#endif
  }
}

/// Packs columns of a matrix whose rows lie along the depth: numbers of one depth side by side.
/// `line(depth, column, numbers)` gives `width` of them.
template <int64_t width, typename Line>
inline void pack_lines(const Line& line, int64_t column, int64_t depth, int64_t count, float* panel) {
  alignas(64) float even[width];
  alignas(64) float odd[width] = {};
  for (int64_t i = 0; i < count; i += unit_depth) {
    line(depth + i, column, even);
    if constexpr (unit_depth == 2) {
      if (i + 1 < count) {
        line(depth + i + 1, column, odd);
      } else {
        for (float& number : odd) {
          number = 0;
        }
      }
    }
    store_units<width>(even, odd, panel);
    panel += width;
  }
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
