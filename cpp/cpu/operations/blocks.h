#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "cpu/kernels/kernels.h"

namespace gpustack_draw::cpu {

/// An output cut into blocks, one a task, in the way that takes least time by what is known before:
/// a block's products, what packing both its sides takes, and that the last thread is waited for.
class Blocks {
 public:
  Blocks(std::int64_t rows, std::int64_t columns, const Kernels& kernels, int threads,
         const BlockLimits& limits)
      : rows_(rows), columns_(columns) {
    double least = std::numeric_limits<double>::infinity();
    const std::int64_t fewest_rows = rounded(std::min(rows, limits.fewest_rows), kernels.row_tile);
    const std::int64_t most_rows = rounded(std::min(rows, limits.most_rows), kernels.row_tile);
    const std::int64_t fewest_columns =
        rounded(std::min(columns, limits.fewest_columns), kernels.column_tile);
    const std::int64_t most_columns =
        rounded(std::min(columns, limits.most_columns), kernels.column_tile);
    for (std::int64_t i = most_rows; i >= fewest_rows; i -= kernels.row_tile) {
      for (std::int64_t j = most_columns; j >= fewest_columns; j -= kernels.column_tile) {
        const double cost = cost_of(i, j, limits.packing, threads);
        if (cost < least) {
          least = cost;
          block_rows_ = i;
          block_columns_ = j;
        }
      }
    }
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
  // In products. Half a block is what a thread waits for another at the end.
  double cost_of(std::int64_t block_rows, std::int64_t block_columns, std::int64_t packing,
                 int threads) const {
    const std::int64_t blocks = over(rows_, block_rows) * over(columns_, block_columns);
    const std::int64_t block = block_rows * block_columns + packing * (block_rows + block_columns);
    return (static_cast<double>(over(blocks, threads)) + 0.5) * static_cast<double>(block);
  }

  static std::int64_t over(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
  static std::int64_t rounded(std::int64_t a, std::int64_t b) { return over(a, b) * b; }

  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t block_rows_ = 1;
  std::int64_t block_columns_ = 1;
};

}  // namespace gpustack_draw::cpu
