#pragma once

// Packing: what a product reads, laid out in the order it is read in. A panel holds a few rows (or
// columns) side by side, unit by unit along the depth: panel[unit][row]. Rows past the end are
// zeros. The scheme is that of Goto and van de Geijn, "Anatomy of high-performance matrix
// multiplication" (ACM TOMS 34, 2008).

#include "cpu/kernels/dequantise.h"
#include "cpu/kernels/units.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

/// Depth that is packed at once: what a panel holds. Whole blocks of every quantisation.
constexpr int64_t depth_chunk = 256;

/// Panels are written in whole vectors of eight, also where they are narrower.
constexpr int64_t panel_slack = 8;

/// Packs rows whose numbers lie side by side along the depth, `width` rows a panel (at most 8, or a
/// multiple of 8).
template <int64_t width, typename U = Units>
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
        return transpose_rows<4>(
            place(row) + depth * 4, rows_.stride, rows, count, panel,
            [](const char* p) { return U::of(reinterpret_cast<const float*>(p)); });
      case Format::f16:
        return transpose_rows<2>(place(row) + depth * 2, rows_.stride, rows, count, panel,
                                 [](const char* p) { return U::of_f16(p); });
      case Format::bf16:
        return transpose_rows<2>(place(row) + depth * 2, rows_.stride, rows, count, panel,
                                 [](const char* p) { return U::of_bf16(p); });
      default:
        break;
    }
    const int64_t skipped = depth / rows_.block_numbers * rows_.block_bytes;
    for (int64_t i = 0; i < rows; ++i) {
      dequantise(rows_, place(row + i) + skipped, numbers + i * depth_chunk, count);
    }
    transpose_rows<4>(reinterpret_cast<const char*>(numbers), depth_chunk * 4, rows, count, panel,
                      [](const char* p) { return U::of(reinterpret_cast<const float*>(p)); });
  }

  template <int64_t number_bytes, typename LoadEight>
  static void transpose_rows(const char* data, int64_t stride, int64_t rows, int64_t count,
                             float* panel, const LoadEight& load_eight) {
    constexpr int64_t step = 8 * U::depth;
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
    const int64_t missing = units_for<U>(count) - depth / U::depth;
    if (missing == 0) {
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
    for (int64_t i = 0; i < missing; ++i) {
      _mm256_storeu_ps(panel + i * width, i < 8 ? columns[i] : _mm256_setzero_ps());
    }
  }

  Rows rows_;
  int64_t row_end_;
};

/// Writes a panel of columns line by line: a line holds numbers of one depth, side by side.
class LineWriter {
 public:
  explicit LineWriter(float* panel) : panel_(panel) {}

  void add(const Vector (&line)[tile_vectors]) {
#if GPUSTACK_DRAW_LEVEL >= GPUSTACK_DRAW_AVX512_BF16
    if (!has_even_) {
      has_even_ = true;
      for (int64_t i = 0; i < tile_vectors; ++i) {
        even_[i] = line[i];
      }
      return;
    }
    has_even_ = false;
    add_units({Units::interleave(even_[0], line[0]), Units::interleave(even_[1], line[1])});
#else
    add_units(line);
#endif
  }

  /// After the last line: what is missing of a unit, and units of a tile, are zeros.
  void finish() {
#if GPUSTACK_DRAW_LEVEL >= GPUSTACK_DRAW_AVX512_BF16
    if (has_even_) {
      add({zero(), zero()});
    }
#endif
    while (units_ % tile_units != 0) {
      add_units({zero(), zero()});
    }
  }

 private:
  void add_units(const Vector (&units)[tile_vectors]) {
    for (int64_t i = 0; i < tile_vectors; ++i) {
      store(panel_ + i * lanes, units[i]);
    }
    panel_ += column_tile;
    ++units_;
  }

  float* panel_;
  int64_t units_ = 0;
#if GPUSTACK_DRAW_LEVEL >= GPUSTACK_DRAW_AVX512_BF16
  Vector even_[tile_vectors];
  bool has_even_ = false;
#endif
};

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
