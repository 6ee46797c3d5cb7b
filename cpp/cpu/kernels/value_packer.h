#pragma once

#include "cpu/kernels/gemm_block.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// Packs values, transposed, as operand A: a row per column of the values, with keys along k.
class ValuePacker {
 public:
  ValuePacker(const Rows& values, int64_t columns) : values_(values), columns_(columns) {}

  void pack(int64_t key, int64_t keys, Packed* panels) const {
    const int64_t elements = packed_elements(keys);
    for (int64_t element = 0; element < elements; element += 8) {
      const char* lines[line_count];
      for (int64_t i = 0; i < line_count; ++i) {
        const int64_t line = element * PackedElement::k_pack + i;
        lines[i] = line < keys
                       ? static_cast<const char*>(values_.data) + (key + line) * values_.stride
                       : nullptr;
      }
      for (int64_t column = 0; column < columns_; column += 4) {
        Eight rows[4];
        if (values_.format == Format::f16) {
          transpose<2>(lines, column, rows, PackedElement::from_f16_lines);
        } else {
          transpose<4>(lines, column, rows, PackedElement::from_f32_lines);
        }
        for (int64_t row = column; row < min(column + 4, columns_); ++row) {
          Packed* panel = panels + row / mr * mr * packed_row_size(elements);
          store_eight(panel + APacker::offset(row % mr, element), rows[row - column]);
        }
      }
    }
  }

 private:
  static constexpr int64_t line_count = 8 * PackedElement::k_pack;

  // Pack eight elements of four columns; missing lines (null) are zeros.
  template <int64_t number_bytes, typename Load>
  void transpose(const char* const (&lines)[line_count], int64_t column, Eight (&rows)[4],
                 const Load& load_rows) const {
    alignas(16) char rest[line_count][4 * number_bytes];
    const char* addresses[line_count];
    for (int64_t i = 0; i < line_count; ++i) {
      if (lines[i] != nullptr && column + 4 <= columns_) {
        addresses[i] = lines[i] + column * number_bytes;
        continue;
      }
      addresses[i] = rest[i];
      __builtin_memset(rest[i], 0, sizeof(rest[i]));
      if (lines[i] != nullptr) {
        __builtin_memcpy(rest[i], lines[i] + column * number_bytes,
                         static_cast<std::size_t>((columns_ - column) * number_bytes));
      }
    }
    for (int64_t i = 0; i < 4; ++i) {
      rows[i] = load_rows(addresses + i * PackedElement::k_pack,
                          addresses + (i + 4) * PackedElement::k_pack);
    }
    transpose_four(rows);
  }

  Rows values_;
  int64_t columns_;
};

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
