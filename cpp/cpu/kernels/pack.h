#pragma once

// Packing: what a product reads, laid out in the order it is read in, after Goto and van de Geijn,
// "Anatomy of high-performance matrix multiplication" (ACM TOMS 34, 2008). A panel of columns holds
// a few of them side by side, unit by unit along the depth: panel[unit][column]. A panel of rows
// leaves each row together: their numbers are read one at a time, from wherever they are, and
// turning them would take as long as a few products.

#include "cpu/kernels/dequantise.h"
#include "cpu/kernels/units.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

/// The rows of a block where they lie, in their format. A row past the end is the last one again:
/// what a product makes of it means nothing.
class RowReader {
 public:
  RowReader(const Rows& rows, int64_t row_end) : rows_(rows), row_end_(row_end) {}

  Format format() const { return rows_.format; }

  /// From number `depth` on, in the row's format.
  const char* place(int64_t row, int64_t depth) const {
    const auto* data =
        static_cast<const char*>(rows_.data) + least(row, row_end_ - 1) * rows_.stride;
    switch (rows_.format) {
      case Format::f32:
        return data + depth * 4;
      case Format::f16:
      case Format::bf16:
        return data + depth * 2;
      default:
        return data + depth / rows_.block_numbers * rows_.block_bytes;
    }
  }

  /// Has the memory bring what will be read soon. Inlined by force: gcc drops calls of a function
  /// that does nothing else.
  __attribute__((always_inline)) void ask_for(int64_t row, int64_t depth, int64_t count) const {
    const char* end = place(row, depth + count);
    for (const char* p = place(row, depth); p < end; p += 64) {
      _mm_prefetch(p, _MM_HINT_T1);
    }
  }

  void dequantise(int64_t row, int64_t depth, int64_t count, float* numbers) const {
    LEVEL_NAMESPACE::dequantise(rows_, place(row, depth), numbers, count);
  }

 private:
  Rows rows_;
  int64_t row_end_;
};

/// Asks the memory for rows that will be packed soon, a few at a time: asked for all at once, it
/// would keep the CPU from what it has.
class Ahead {
 public:
  Ahead() = default;  ///< Nothing to ask for.

  /// Of rows from `row` up to, not including, `row_end` the numbers from `depth` on, in so many
  /// times.
  Ahead(const RowReader& rows, int64_t row, int64_t row_end, int64_t depth, int64_t count,
        int64_t times)
      : rows_(&rows),
        row_(row),
        row_end_(row_end),
        at_once_(divide_up(row_end - row, times)),
        depth_(depth),
        count_(count) {}

  void ask() {
    for (int64_t end = least(row_ + at_once_, row_end_); row_ < end; ++row_) {
      rows_->ask_for(row_, depth_, count_);
    }
  }

 private:
  const RowReader* rows_ = nullptr;
  int64_t row_ = 0;
  int64_t row_end_ = 0;
  int64_t at_once_ = 0;
  int64_t depth_ = 0;
  int64_t count_ = 0;
};

/// Packs numbers that lie side by side, a vector of units after the other, `vector_step` apart.
template <int64_t vector_step, int64_t number_bytes, typename Load>
inline void pack_numbers(const char* row, int64_t count, float* panel, const Load& load_units) {
  constexpr int64_t step = lanes * Units::depth;
  int64_t depth = 0;
  for (; depth + step <= count; depth += step, panel += vector_step) {
    store(panel, load_units(row + depth * number_bytes));
  }
  if (depth < count) {
    alignas(64) char rest[step * number_bytes] = {};
    __builtin_memcpy(rest, row + depth * number_bytes,
                     static_cast<std::size_t>((count - depth) * number_bytes));
    store(panel, load_units(rest));
  }
}

/// Packs rows of the left side, `row_tile` of them a panel, unturned: a row's units are `row_step`
/// from the next row's, a vector of them `vector_step` from its next.
template <int64_t row_step, int64_t vector_step>
class RowPacker {
 public:
  RowPacker(const Rows& rows, int64_t row_end) : rows_(rows, row_end) {}

  const RowReader& rows() const { return rows_; }

  /// Where a unit of a row lies in its panel.
  static int64_t place(int64_t row, int64_t unit) {
    return row * row_step + unit / lanes * vector_step + unit % lanes;
  }

  /// `numbers`: room for a row in f32, needed for quantised rows only.
  void pack(int64_t row, int64_t depth, int64_t count, float* panel, float* numbers) const {
    for (int64_t i = 0; i < row_tile; ++i) {
      pack_row(row + i, depth, count, panel + i * row_step, numbers);
    }
  }

 private:
  void pack_row(int64_t row, int64_t depth, int64_t count, float* panel, float* numbers) const {
    switch (rows_.format()) {
      case Format::f32:
        return pack_numbers<vector_step, 4>(rows_.place(row, depth), count, panel,
                                            [](const char* p) { return Units::vector_of_f32(p); });
      case Format::f16:
        return pack_numbers<vector_step, 2>(rows_.place(row, depth), count, panel,
                                            [](const char* p) { return Units::vector_of_f16(p); });
      case Format::bf16:
        return pack_numbers<vector_step, 2>(rows_.place(row, depth), count, panel,
                                            [](const char* p) { return Units::vector_of_bf16(p); });
      default:
        rows_.dequantise(row, depth, count, numbers);
        return pack_numbers<vector_step, 4>(reinterpret_cast<const char*>(numbers), count, panel,
                                            [](const char* p) { return Units::vector_of_f32(p); });
    }
  }

  RowReader rows_;
};

/// Packs rows as columns of a panel: panel[unit][row].
class ColumnPacker {
 public:
  ColumnPacker(const Rows& rows, int64_t row_end) : rows_(rows, row_end) {}

  const RowReader& rows() const { return rows_; }

  /// `numbers`: room for eight rows in f32, needed for quantised rows only.
  void pack(int64_t row, int64_t depth, int64_t count, float* panel, float* numbers) const {
    for (int64_t i = 0; i < column_tile; i += 8) {
      pack_eight(row + i, depth, count, panel + i, numbers);
    }
  }

 private:
  void pack_eight(int64_t row, int64_t depth, int64_t count, float* panel, float* numbers) const {
    const char* places[8];
    for (int64_t i = 0; i < 8; ++i) {
      places[i] = rows_.place(row + i, depth);
    }
    switch (rows_.format()) {
      case Format::f32:
        return turn<4>(places, count, panel,
                       [](const char* p, const char* q) { return Units::halves_of_f32(p, q); });
      case Format::f16:
        return turn<2>(places, count, panel,
                       [](const char* p, const char* q) { return Units::halves_of_f16(p, q); });
      case Format::bf16:
        return turn<2>(places, count, panel,
                       [](const char* p, const char* q) { return Units::halves_of_bf16(p, q); });
      default:
        for (int64_t i = 0; i < 8; ++i) {
          rows_.dequantise(row + i, depth, count, numbers + i * depth_chunk);
          places[i] = reinterpret_cast<const char*>(numbers + i * depth_chunk);
        }
        return turn<4>(places, count, panel,
                       [](const char* p, const char* q) { return Units::halves_of_f32(p, q); });
    }
  }

  // Four units of all eight rows at a time.
  template <int64_t number_bytes, typename Load>
  static void turn(const char* const (&rows)[8], int64_t count, float* panel,
                   const Load& load_halves) {
    constexpr int64_t step = 4 * Units::depth;
    constexpr int64_t line = 64;                   // bytes
    const int64_t next = 8 * (rows[1] - rows[0]);  // eight rows further
    __m256 units[4];
    int64_t depth = 0;
    for (; depth + step <= count; depth += step, panel += 4 * column_tile) {
      if (depth * number_bytes % line == 0) {
        for (const char* row : rows) {
          _mm_prefetch(row + next + depth * number_bytes, _MM_HINT_T1);
        }
      }
      for (int64_t i = 0; i < 4; ++i) {
        units[i] = load_halves(rows[i] + depth * number_bytes, rows[i + 4] + depth * number_bytes);
      }
      turn_four(units);
      for (int64_t i = 0; i < 4; ++i) {
        _mm256_storeu_ps(panel + i * column_tile, units[i]);
      }
    }
    const int64_t missing = units_for(count) - depth / Units::depth;
    if (missing == 0) {
      return;
    }
    alignas(32) char rest[8][step * number_bytes] = {};
    for (int64_t i = 0; i < 8; ++i) {
      __builtin_memcpy(rest[i], rows[i] + depth * number_bytes,
                       static_cast<std::size_t>((count - depth) * number_bytes));
    }
    for (int64_t i = 0; i < 4; ++i) {
      units[i] = load_halves(rest[i], rest[i + 4]);
    }
    turn_four(units);
    for (int64_t i = 0; i < missing; ++i) {
      _mm256_storeu_ps(panel + i * column_tile, i < 4 ? units[i] : _mm256_setzero_ps());
    }
  }

  RowReader rows_;
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
