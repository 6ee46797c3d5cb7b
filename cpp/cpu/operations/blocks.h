#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/kernels/kernels.h"

namespace gpustack_draw::cpu {

/// An output cut into blocks, one a task: several a thread, so that all end at about the same time.
class Blocks {
 public:
  Blocks(std::int64_t rows, std::int64_t columns, const Kernels& kernels, int threads,
         const BlockLimits& limits)
      : rows_(rows),
        columns_(columns),
        block_rows_(rounded(std::min(rows, limits.most_rows), kernels.row_tile)),
        block_columns_(rounded(std::min(columns, limits.most_columns), kernels.column_tile)) {
    constexpr std::int64_t blocks_a_thread = 4;
    const std::int64_t fewest_rows = rounded(limits.fewest_rows, kernels.row_tile);
    const std::int64_t fewest_columns = rounded(limits.fewest_columns, kernels.column_tile);
    while (count() < blocks_a_thread * threads &&
           (block_rows_ > fewest_rows || block_columns_ > fewest_columns)) {
      if (block_columns_ <= fewest_columns ||
          (block_rows_ > fewest_rows && block_rows_ >= block_columns_)) {
        block_rows_ = rounded(block_rows_ / 2, kernels.row_tile);
      } else {
        block_columns_ = rounded(block_columns_ / 2, kernels.column_tile);
      }
    }
    // Even blocks instead of a small rest.
    block_rows_ = rounded(over(rows_, over(rows_, block_rows_)), kernels.row_tile);
    block_columns_ = rounded(over(columns_, over(columns_, block_columns_)), kernels.column_tile);
  }

  std::int64_t count() const { return down() * across(); }

  /// How many have the same columns, and how many the same rows.
  std::int64_t down() const { return over(rows_, block_rows_); }
  std::int64_t across() const { return over(columns_, block_columns_); }

  /// Neighbours in this order share their rows.
  Block at(std::int64_t i) const {
    const std::int64_t row = i / across() * block_rows_;
    const std::int64_t column = i % across() * block_columns_;
    return {row, std::min(row + block_rows_, rows_), column,
            std::min(column + block_columns_, columns_)};
  }

 private:
  static std::int64_t over(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
  static std::int64_t rounded(std::int64_t a, std::int64_t b) { return over(a, b) * b; }

  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t block_rows_;
  std::int64_t block_columns_;
};

}  // namespace gpustack_draw::cpu
