#pragma once

// The micro-kernel for pairs of bf16 on Arm64. BFMMLA adds the product of 2 x 4 numbers of A and
// 4 x 2 of B to 2 x 2 accumulators: four times the multiply-adds of FMLA. Panels have the same
// order as on other targets, so two lines of B are interleaved here: a third more instructions.

#include "cpu/kernels/pack.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// Lower halves of a and b, and upper halves.
inline Four lower_halves(Four a, Four b) {
  return vreinterpretq_f32_f64(vzip1q_f64(vreinterpretq_f64_f32(a), vreinterpretq_f64_f32(b)));
}
inline Four upper_halves(Four a, Four b) {
  return vreinterpretq_f32_f64(vzip2q_f64(vreinterpretq_f64_f32(a), vreinterpretq_f64_f32(b)));
}

/// A register tile of `row_count` x `column_count` accumulators, in blocks of 2 x 2.
template <int64_t row_count, int64_t column_count, int64_t row_step>
struct Bf16Tile {
  static constexpr int64_t row_pairs = row_count / 2;
  static constexpr int64_t column_pairs = column_count / 2;
  static_assert(row_count % 2 == 0 && column_count % 4 == 0);

  Four blocks[row_pairs][column_pairs];

  void load(const StridedTile& tile) {
#pragma GCC unroll 8
    for (int64_t i = 0; i < row_pairs; ++i) {
#pragma GCC unroll 8
      for (int64_t j = 0; j < column_pairs; j += 2) {
        const Four first = load_four(tile.data + 2 * i * tile.stride + 2 * j);
        const Four second = load_four(tile.data + (2 * i + 1) * tile.stride + 2 * j);
        blocks[i][j] = lower_halves(first, second);
        blocks[i][j + 1] = upper_halves(first, second);
      }
    }
  }

  void store(const StridedTile& tile) const {
#pragma GCC unroll 8
    for (int64_t i = 0; i < row_pairs; ++i) {
#pragma GCC unroll 8
      for (int64_t j = 0; j < column_pairs; j += 2) {
        const Four first = lower_halves(blocks[i][j], blocks[i][j + 1]);
        const Four second = upper_halves(blocks[i][j], blocks[i][j + 1]);
        store_four(tile.data + 2 * i * tile.stride + 2 * j, first);
        store_four(tile.data + (2 * i + 1) * tile.stride + 2 * j, second);
      }
    }
  }

  /// Accumulate rows * columns over two elements, or over one and zeros. The side that needs
  /// fewer registers is loaded first.
  template <bool is_whole>
  void multiply(const Packed* rows, const Packed* columns) {
    if constexpr (row_pairs < column_pairs) {
      Four a[row_pairs];
#pragma GCC unroll 8
      for (int64_t i = 0; i < row_pairs; ++i) {
        a[i] = row_pair<is_whole>(rows + 2 * i * row_step);
      }
#pragma GCC unroll 8
      for (int64_t j = 0; j < column_pairs; j += 2) {
        Four b[2];
        four_columns<is_whole>(columns + 2 * j, b);
#pragma GCC unroll 8
        for (int64_t i = 0; i < row_pairs; ++i) {
          multiply_block(blocks[i][j], a[i], b[0]);
          multiply_block(blocks[i][j + 1], a[i], b[1]);
        }
      }
    } else {
      Four b[column_pairs];
#pragma GCC unroll 8
      for (int64_t j = 0; j < column_pairs; j += 2) {
        Four two[2];
        four_columns<is_whole>(columns + 2 * j, two);
        b[j] = two[0];
        b[j + 1] = two[1];
      }
#pragma GCC unroll 8
      for (int64_t i = 0; i < row_pairs; ++i) {
        const Four a = row_pair<is_whole>(rows + 2 * i * row_step);
#pragma GCC unroll 8
        for (int64_t j = 0; j < column_pairs; ++j) {
          multiply_block(blocks[i][j], a, b[j]);
        }
      }
    }
  }

 private:
  static void multiply_block(Four& sum, Four a, Four b) {
    sum = vbfmmlaq_f32(sum, as_bf16(a), as_bf16(b));
  }

  // Two elements, or one and a zero, of two rows.
  template <bool is_whole>
  static Four row_pair(const Packed* rows) {
    const float* first = &rows->bits;
    const float* second = first + row_step;
    if constexpr (is_whole) {
      return vcombine_f32(vld1_f32(first), vld1_f32(second));
    }
    return vsetq_lane_f32(*second, vsetq_lane_f32(*first, zero_four(), 0), 2);
  }

  // Two lines, or one and zeros, of four columns.
  template <bool is_whole>
  static void four_columns(const Packed* columns, Four (&pairs)[2]) {
    const Four line = load_four(&columns->bits);
    Four next = zero_four();
    if constexpr (is_whole) {
      next = load_four(&columns[nr].bits);
    }
    pairs[0] = vzip1q_f32(line, next);
    pairs[1] = vzip2q_f32(line, next);
  }
};

/// Compute a register tile, as vector_micro_kernel() does with other instructions.
template <bool accumulate, int64_t row_count, int64_t column_count, int64_t row_step>
inline void bf16_micro_kernel(int64_t elements, const Packed* rows, const Packed* columns,
                              const StridedTile& from, const StridedTile& to) {
  Bf16Tile<row_count, column_count, row_step> tile{};
  if constexpr (accumulate) {
    tile.load(from);
  }
  for (; elements > 1; elements -= 2, rows += 2, columns += 2 * nr) {
    tile.template multiply<true>(rows, columns);
  }
  if (elements > 0) {
    tile.template multiply<false>(rows, columns);
  }
  tile.store(to);
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
