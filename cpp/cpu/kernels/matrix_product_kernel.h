#pragma once

// A matrix product with both sides' numbers side by side along the depth, as ggml's MUL_MAT has it.

#include "cpu/kernels/product.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

inline void pack_left(const Side& side, int64_t row, int64_t depth, float* panels,
                      Workspace& workspace) {
  auto* numbers =
      reinterpret_cast<float*>(workspace.panels.take(std::size_t{depth_chunk} * sizeof(float)));
  LeftPacker(side.rows, side.count)
      .pack(row, depth, chunk_at(side.depth, depth), panels + left_place(side, row, depth),
            numbers);
}

inline void pack_right(const Side& side, int64_t row, int64_t depth, float* panels,
                       Workspace& workspace) {
  auto* numbers =
      reinterpret_cast<float*>(workspace.panels.take(std::size_t{8 * depth_chunk} * sizeof(float)));
  ColumnPacker(side.rows, side.count)
      .pack(row, depth, chunk_at(side.depth, depth), panels + right_place(side, row, depth),
            numbers);
}

inline void matrix_product(const MatrixProduct& product, const Block& block, Workspace& workspace) {
  const Place output{product.output + block.row_begin * product.output_stride + block.column_begin,
                     product.output_stride};
  multiply_into(output, LeftPanels(product.left, block.row_begin, block.row_end),
                RightPanels(product.right, block.column_begin, block.column_end),
                block.row_end - block.row_begin, block.column_end - block.column_begin,
                product.left.depth, workspace);
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
