#pragma once

// A matrix product with both sides' numbers side by side along the depth, as ggml's MUL_MAT has it.

#include "cpu/kernels/product.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

inline void matrix_product(const MatrixProduct& product, const Block& block, Workspace& workspace) {
  const LeftPacker left(product.left, block.row_end);
  const ColumnPacker<column_tile> right(product.right, block.column_end);
  multiply_into(
      product.output + block.row_begin * product.output_stride + block.column_begin,
      product.output_stride,
      [&](int64_t row, int64_t depth, int64_t count, float* panel, float* numbers) {
        left.pack(block.row_begin + row, depth, count, panel, numbers);
      },
      packed_columns(
          block.column_end - block.column_begin,
          [&](int64_t column, int64_t depth, int64_t count, float* panel, float* numbers) {
            right.pack(block.column_begin + column, depth, count, panel, numbers);
          }),
      block.row_end - block.row_begin, block.column_end - block.column_begin, product.depth,
      workspace);
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
