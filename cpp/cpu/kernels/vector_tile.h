#pragma once

// A tile of a product in vector registers: a unit of a row, spread over a vector, meets two vectors
// of columns.

#include "cpu/kernels/pack.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

/// The panels of a block (its rows and columns of one depth chunk) fill much of a core's second
/// cache, so that each number is packed seldom.
constexpr BlockLimits product_limits{144, 192, 48, 48};

/// In f32 a number is packed in little of the time that its products take.
constexpr bool shares_sides = Units::depth > 1;

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

/// to[row][column] = (from +) rows * columns, with rows[row * row_step + unit] and
/// columns[unit][column_tile], of which the first `vectors` take part.
///
/// Never inlined: among other variables the compiler keeps sums in memory.
template <bool accumulate, int64_t vectors, typename U, int64_t row_step>
__attribute__((noinline)) void multiply_vectors(int64_t units, const float* rows,
                                                const float* columns, const Place& from,
                                                const Place& to) {
  constexpr int64_t row_count = row_tile * tile_vectors / vectors;
  Vector tile[row_count][vectors];
#pragma GCC unroll 16
  for (int64_t i = 0; i < row_count; ++i) {
#pragma GCC unroll 2
    for (int64_t j = 0; j < vectors; ++j) {
      tile[i][j] = accumulate ? load(from.numbers + i * from.stride + j * lanes) : zero();
    }
  }
#pragma GCC unroll 4
  for (int64_t unit = 0; unit < units; ++unit) {
    Vector line[vectors];
#pragma GCC unroll 2
    for (int64_t j = 0; j < vectors; ++j) {
      line[j] = load(columns + j * lanes);
    }
#pragma GCC unroll 16
    for (int64_t i = 0; i < row_count; ++i) {
      const Vector row = all(rows[i * row_step]);
#pragma GCC unroll 2
      for (int64_t j = 0; j < vectors; ++j) {
        tile[i][j] = U::multiply_add(row, line[j], tile[i][j]);
      }
    }
    ++rows;
    columns += column_tile;
  }
#pragma GCC unroll 16
  for (int64_t i = 0; i < row_count; ++i) {
#pragma GCC unroll 2
    for (int64_t j = 0; j < vectors; ++j) {
      store(to.numbers + i * to.stride + j * lanes, tile[i][j]);
    }
  }
}

/// A whole tile: row_tile x column_tile sums.
template <bool accumulate, typename U = Units, int64_t row_step = packed_row>
inline void multiply_tile(int64_t units, const float* rows, const float* columns, const Place& from,
                          const Place& to) {
  multiply_vectors<accumulate, tile_vectors, U, row_step>(units, rows, columns, from, to);
}

/// Twice as many rows of half as many columns.
template <bool accumulate, typename U = Units, int64_t row_step = packed_row>
inline void multiply_tall_tile(int64_t units, const float* rows, const float* columns,
                               const Place& from, const Place& to) {
  multiply_vectors<accumulate, tile_vectors / 2, U, row_step>(units, rows, columns, from, to);
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
