#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "cpu/kernels/kernels.h"

namespace gpustack_draw::cpu {

/// Partition of an output into blocks, one per task, that minimizes the estimated time: the
/// multiply-adds of a block, packing its operands, and waiting for the last thread.
class BlockPartition {
 public:
  /// Blocks begin at multiples of mr and nr of the kernels, Kernels or Int8Kernels.
  template <typename AnyKernels>
  BlockPartition(std::int64_t rows, std::int64_t columns, const AnyKernels& kernels, int threads,
                 const BlockLimits& limits)
      : rows_(rows), columns_(columns) {
    double lowest = std::numeric_limits<double>::infinity();
    const std::int64_t min_rows = round_up(std::min(rows, limits.min_rows), kernels.mr);
    const std::int64_t max_rows = round_up(std::min(rows, limits.max_rows), kernels.mr);
    const std::int64_t min_columns = round_up(std::min(columns, limits.min_columns), kernels.nr);
    const std::int64_t max_columns = round_up(std::min(columns, limits.max_columns), kernels.nr);
    for (std::int64_t i = max_rows; i >= min_rows; i -= kernels.mr) {
      for (std::int64_t j = max_columns; j >= min_columns; j -= kernels.nr) {
        const double cost = cost_of(i, j, limits.packing_cost, threads);
        if (cost < lowest) {
          lowest = cost;
          rows_per_block_ = i;
          columns_per_block_ = j;
        }
      }
    }
  }

  std::int64_t count() const { return block_rows() * block_columns(); }

  /// Number of blocks along each dimension.
  std::int64_t block_rows() const { return ceil_div(rows_, rows_per_block_); }
  std::int64_t block_columns() const { return ceil_div(columns_, columns_per_block_); }

  /// Consecutive blocks share their rows.
  Block at(std::int64_t i) const {
    const std::int64_t row = i / block_columns() * rows_per_block_;
    const std::int64_t column = i % block_columns() * columns_per_block_;
    return {row, std::min(row + rows_per_block_, rows_), column,
            std::min(column + columns_per_block_, columns_)};
  }

 private:
  // In multiply-adds. At the end a thread waits half a block on average.
  double cost_of(std::int64_t block_rows, std::int64_t block_columns, std::int64_t packing_cost,
                 int threads) const {
    const std::int64_t blocks = ceil_div(rows_, block_rows) * ceil_div(columns_, block_columns);
    const std::int64_t block =
        block_rows * block_columns + packing_cost * (block_rows + block_columns);
    return (static_cast<double>(ceil_div(blocks, threads)) + 0.5) * static_cast<double>(block);
  }

  static std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
  static std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }

  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t rows_per_block_ = 1;
  std::int64_t columns_per_block_ = 1;
};

}  // namespace gpustack_draw::cpu
