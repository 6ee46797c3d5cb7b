#pragma once

#include "cpu/kernels/product.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

/// Packs values as rows of a product's left side: a row a column of theirs, its depth the keys.
class ValuePacker {
 public:
  ValuePacker(const Rows& values, int64_t columns) : values_(values), columns_(columns) {}

  void pack(int64_t key, int64_t keys, float* panels) const {
    const int64_t units = units_for(keys);
    for (int64_t unit = 0; unit < units; unit += 8) {
      const char* lines[line_count];
      for (int64_t i = 0; i < line_count; ++i) {
        const int64_t line = unit * Units::depth + i;
        lines[i] = line < keys
                       ? static_cast<const char*>(values_.data) + (key + line) * values_.stride
                       : nullptr;
      }
      for (int64_t column = 0; column < columns_; column += 4) {
        __m256 rows[4];
        if (values_.format == Format::f16) {
          turn<2>(lines, column, rows, Units::halves_of_f16_lines);
        } else {
          turn<4>(lines, column, rows, Units::halves_of_f32_lines);
        }
        for (int64_t row = column; row < least(column + 4, columns_); ++row) {
          float* panel = panels + row / row_tile * row_tile * row_units(units);
          _mm256_storeu_ps(panel + LeftPacker::place(row % row_tile, unit), rows[row - column]);
        }
      }
    }
  }

 private:
  static constexpr int64_t line_count = 8 * Units::depth;

  // Eight units of four columns; lines that are missing (null) hold zeros.
  template <int64_t number_bytes, typename Load>
  void turn(const char* const (&lines)[line_count], int64_t column, __m256 (&rows)[4],
            const Load& load_halves) const {
    alignas(16) char rest[line_count][4 * number_bytes];
    const char* places[line_count];
    for (int64_t i = 0; i < line_count; ++i) {
      if (lines[i] != nullptr && column + 4 <= columns_) {
        places[i] = lines[i] + column * number_bytes;
        continue;
      }
      places[i] = rest[i];
      __builtin_memset(rest[i], 0, sizeof(rest[i]));
      if (lines[i] != nullptr) {
        __builtin_memcpy(rest[i], lines[i] + column * number_bytes,
                         static_cast<std::size_t>((columns_ - column) * number_bytes));
      }
    }
    for (int64_t i = 0; i < 4; ++i) {
      rows[i] = load_halves(places + i * Units::depth, places + (i + 4) * Units::depth);
    }
    turn_four(rows);
  }

  Rows values_;
  int64_t columns_;
};

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
