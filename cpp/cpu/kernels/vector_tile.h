#pragma once

// A tile of a product in vector registers: a unit of a row, spread over a vector, meets two vectors
// of columns.

#include "cpu/kernels/pack.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

/// The panels of a block (its rows and columns of one depth chunk) fill much of a core's second
/// cache, so that each number is packed seldom.
constexpr BlockLimits product_limits{144, 192, 48, 48};

/// Whose panels stay in the first cache, while those of rows pass by.
constexpr int64_t columns_at_once = column_tile;

/// Units from a packed row to the next: an odd number of cache lines, or all would want the same
/// part of the cache.
constexpr int64_t packed_row = depth_chunk / Units::depth + 16;
inline int64_t row_units(int64_t /*units*/) { return packed_row; }

/// Packs the rows of a product's left side.
using LeftPacker = RowPacker<packed_row, lanes>;

/// Vector registers need no preparation.
struct TilesInUse {
  TilesInUse() {}
};

/// sums[row_tile][column_tile] (+)= rows * columns, with rows[i * row_step + unit * unit_step] and
/// columns[unit][column_tile].
template <bool accumulate, typename U = Units, int64_t row_step = packed_row, int64_t unit_step = 1>
inline void multiply_tile(int64_t units, const float* rows, const float* columns, float* sums,
                          int64_t stride) {
  Vector tile[row_tile][tile_vectors];
#pragma GCC unroll 8
  for (int64_t i = 0; i < row_tile; ++i) {
#pragma GCC unroll 2
    for (int64_t j = 0; j < tile_vectors; ++j) {
      tile[i][j] = accumulate ? load(sums + i * stride + j * lanes) : zero();
    }
  }
#pragma GCC unroll 4
  for (int64_t unit = 0; unit < units; ++unit) {
    const Vector first = load(columns);
    const Vector second = load(columns + lanes);
#pragma GCC unroll 8
    for (int64_t i = 0; i < row_tile; ++i) {
      const Vector row = all(rows[i * row_step]);
      tile[i][0] = U::multiply_add(row, first, tile[i][0]);
      tile[i][1] = U::multiply_add(row, second, tile[i][1]);
    }
    rows += unit_step;
    columns += column_tile;
  }
#pragma GCC unroll 8
  for (int64_t i = 0; i < row_tile; ++i) {
#pragma GCC unroll 2
    for (int64_t j = 0; j < tile_vectors; ++j) {
      store(sums + i * stride + j * lanes, tile[i][j]);
    }
  }
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
