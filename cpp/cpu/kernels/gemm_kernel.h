#pragma once

// GEMM of two operands whose rows are contiguous along k, as in ggml's MUL_MAT.

#include "cpu/kernels/gemm_block.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

inline void pack_a(const Operand& a, int64_t row, int64_t k, Packed* panels, Workspace& workspace) {
  auto* numbers = take<float>(workspace.panels, max_kc);
  APacker(a.rows, a.count)
      .pack(row, k, kc_at(a.blocking, k), panels + packed_a_offset(a, row, k), numbers);
}

inline void pack_b(const Operand& b, int64_t row, int64_t k, Packed* panels, Workspace& workspace) {
  auto* numbers = take<float>(workspace.panels, 8 * max_kc);
  BPacker(b.rows, b.count)
      .pack(row, k, kc_at(b.blocking, k), panels + packed_b_offset(b, row, k), numbers);
}

inline void gemm(const Gemm& gemm, const Block& block, Workspace& workspace) {
  const StridedTile output{gemm.output, gemm.output_stride};
  gemm_block(output.at(block.row_begin, block.column_begin),
             APanels(gemm.a, block.row_begin, block.row_end),
             BPanels(gemm.b, block.column_begin, block.column_end), block.row_end - block.row_begin,
             block.column_end - block.column_begin, gemm.a.blocking, workspace);
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
