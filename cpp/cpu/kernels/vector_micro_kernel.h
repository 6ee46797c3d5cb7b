#pragma once

// The micro-kernel in vector registers: an element of a row of A is broadcast and multiplied with
// two vectors of columns of B.

#include "cpu/kernels/pack.h"
#if GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_NEON_BF16
#include "cpu/kernels/bf16_micro_kernel_neon.h"
#endif

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// The panels of a block (its rows and columns times kc) fill much of the L2 cache, so that each
/// number is packed as rarely as possible.
constexpr BlockLimits gemm_limits{144, 192, 48, 48};

/// In f32 packing costs little compared to the multiply-adds.
constexpr bool packs_whole_operands = PackedElement::k_pack > 1;

/// Elements from a packed row to the next: an odd number of cache lines, so that rows do not map to
/// the same cache sets.
constexpr int64_t packed_row = max_kc / PackedElement::k_pack + 16;
inline int64_t packed_row_size(int64_t /*elements*/) { return packed_row; }

/// Packs rows of A.
using APacker = BasicAPacker<packed_row, lanes>;

/// Vector registers need no configuration.
struct ScopedTileConfig {
  ScopedTileConfig() {}
};

/// to[row][column] = (from +) rows * columns, with rows[row * row_step + element] and
/// columns[element][nr]; only the first `vectors` vectors are used.
///
/// Not inlined: among other variables the compiler would spill accumulators to memory.
template <bool accumulate, int64_t vectors, typename U, int64_t row_step>
__attribute__((noinline)) void vector_micro_kernel(int64_t elements, const Packed* rows,
                                                   const Packed* columns, const StridedTile& from,
                                                   const StridedTile& to) {
  constexpr int64_t row_count = mr * nr_vectors / vectors;
#if GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_NEON_BF16
  if constexpr (U::k_pack > 1) {
    return bf16_micro_kernel<accumulate, row_count, vectors * lanes, row_step>(elements, rows,
                                                                               columns, from, to);
  }
#endif
  Vector accumulators[row_count][vectors];
#pragma GCC unroll 16
  for (int64_t i = 0; i < row_count; ++i) {
#pragma GCC unroll 2
    for (int64_t j = 0; j < vectors; ++j) {
      accumulators[i][j] = accumulate ? load(from.data + i * from.stride + j * lanes) : zero();
    }
  }
#pragma GCC unroll 4
  for (int64_t element = 0; element < elements; ++element) {
    Vector line[vectors];
#pragma GCC unroll 2
    for (int64_t j = 0; j < vectors; ++j) {
      line[j] = load(columns + j * lanes);
    }
#pragma GCC unroll 16
    for (int64_t i = 0; i < row_count; ++i) {
      const Vector row = broadcast(rows[i * row_step].bits);
#pragma GCC unroll 2
      for (int64_t j = 0; j < vectors; ++j) {
        accumulators[i][j] = U::multiply_add(row, line[j], accumulators[i][j]);
      }
    }
    ++rows;
    columns += nr;
  }
#pragma GCC unroll 16
  for (int64_t i = 0; i < row_count; ++i) {
#pragma GCC unroll 2
    for (int64_t j = 0; j < vectors; ++j) {
      store(to.data + i * to.stride + j * lanes, accumulators[i][j]);
    }
  }
}

/// A register tile: mr x nr accumulators.
template <bool accumulate, typename U = PackedElement, int64_t row_step = packed_row>
inline void micro_kernel(int64_t elements, const Packed* rows, const Packed* columns,
                         const StridedTile& from, const StridedTile& to) {
  vector_micro_kernel<accumulate, nr_vectors, U, row_step>(elements, rows, columns, from, to);
}

/// A register tile of 2 mr x nr / 2 accumulators.
template <bool accumulate, typename U = PackedElement, int64_t row_step = packed_row>
inline void tall_micro_kernel(int64_t elements, const Packed* rows, const Packed* columns,
                              const StridedTile& from, const StridedTile& to) {
  vector_micro_kernel<accumulate, nr_vectors / 2, U, row_step>(elements, rows, columns, from, to);
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
