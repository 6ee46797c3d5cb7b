#pragma once

// The product that everything here is built on. A block of the output is computed by one thread in
// steps along the depth: pack a chunk of both sides into panels that stay in the caches (a panel of
// columns in the first, all panels of rows in the second), then multiply tile by tile in registers.
//
// Nothing is packed outside a block and nothing is shared between threads, so there is no waiting;
// a number is packed once a block, and used a hundred times or more.

#include "cpu/kernels/pack.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

// A tile is what fits into the registers: 12 sums of 16 registers in AVX2, 16 of 32 in AVX-512.
constexpr int64_t row_tile = lanes == 8 ? 6 : 8;
constexpr int64_t tile_vectors = 2;
constexpr int64_t column_tile = tile_vectors * lanes;

/// output[row_tile][column_tile] (+)= rows[unit][row_tile] * columns[unit][column_tile]
template <bool accumulate>
inline void multiply_tile(int64_t units, const float* rows, const float* columns, float* output,
                          int64_t output_stride) {
  Vector sums[row_tile][tile_vectors];
#pragma GCC unroll 8
  for (int64_t i = 0; i < row_tile; ++i) {
#pragma GCC unroll 2
    for (int64_t j = 0; j < tile_vectors; ++j) {
      sums[i][j] = accumulate ? load(output + i * output_stride + j * lanes) : zero();
    }
  }
#pragma GCC unroll 4
  for (int64_t unit = 0; unit < units; ++unit) {
    const Vector first = load(columns);
    const Vector second = load(columns + lanes);
#pragma GCC unroll 8
    for (int64_t i = 0; i < row_tile; ++i) {
      const Vector row = all(rows[i]);
      sums[i][0] = multiply_add_units(row, first, sums[i][0]);
      sums[i][1] = multiply_add_units(row, second, sums[i][1]);
    }
    rows += row_tile;
    columns += column_tile;
  }
#pragma GCC unroll 8
  for (int64_t i = 0; i < row_tile; ++i) {
#pragma GCC unroll 2
    for (int64_t j = 0; j < tile_vectors; ++j) {
      store(output + i * output_stride + j * lanes, sums[i][j]);
    }
  }
}

/// The same for a tile that sticks out of the output: only `rows_left` x `columns_left` are there.
template <bool accumulate>
inline void multiply_edge_tile(int64_t units, const float* rows, const float* columns, float* output,
                               int64_t output_stride, int64_t rows_left, int64_t columns_left) {
  alignas(64) float tile[row_tile * column_tile];
  multiply_tile<false>(units, rows, columns, tile, column_tile);
  for (int64_t i = 0; i < rows_left; ++i) {
    for (int64_t j = 0; j < columns_left; ++j) {
      float& number = output[i * output_stride + j];
      number = accumulate ? number + tile[i * column_tile + j] : tile[i * column_tile + j];
    }
  }
}

template <bool accumulate>
inline void multiply_panels(int64_t units, const float* row_panels, const float* column_panels,
                            float* output, int64_t output_stride, int64_t rows, int64_t columns) {
  for (int64_t j = 0; j < columns; j += column_tile) {
    for (int64_t i = 0; i < rows; i += row_tile) {
      const float* row_panel = row_panels + i * units;
      const float* column_panel = column_panels + j * units;
      float* tile = output + i * output_stride + j;
      if (i + row_tile <= rows && j + column_tile <= columns) {
        multiply_tile<accumulate>(units, row_panel, column_panel, tile, output_stride);
      } else {
        multiply_edge_tile<accumulate>(units, row_panel, column_panel, tile, output_stride,
                                       least(row_tile, rows - i), least(column_tile, columns - j));
      }
    }
  }
}

/// A block of rows x columns over the whole depth. `pack_rows(row, depth, count, panel, numbers)`
/// packs the panel that begins at a row of the block, `pack_columns` likewise; `numbers` is room for
/// a panel's rows in f32.
template <typename PackRows, typename PackColumns>
void multiply(const PackRows& pack_rows, const PackColumns& pack_columns, int64_t rows,
              int64_t columns, int64_t depth, float* output, int64_t output_stride, bool accumulate,
              Scratch& scratch) {
  const int64_t most_units = units_for(least(depth, depth_chunk));
  const int64_t row_numbers = round_up(rows, row_tile) * most_units + panel_slack;
  const int64_t column_numbers = round_up(columns, column_tile) * most_units + panel_slack;
  const int64_t spare = round_up(row_numbers, 16) + round_up(column_numbers, 16);
  float* row_panels = reinterpret_cast<float*>(
      scratch.take(static_cast<std::size_t>(spare + 8 * depth_chunk) * sizeof(float)));
  float* column_panels = row_panels + round_up(row_numbers, 16);
  float* numbers = row_panels + spare;
  for (int64_t begin = 0; begin < depth; begin += depth_chunk) {
    const int64_t count = least(depth_chunk, depth - begin);
    const int64_t units = units_for(count);
    for (int64_t i = 0; i < rows; i += row_tile) {
      pack_rows(i, begin, count, row_panels + i * units, numbers);
    }
    for (int64_t j = 0; j < columns; j += column_tile) {
      pack_columns(j, begin, count, column_panels + j * units, numbers);
    }
    if (accumulate || begin > 0) {
      multiply_panels<true>(units, row_panels, column_panels, output, output_stride, rows, columns);
    } else {
      multiply_panels<false>(units, row_panels, column_panels, output, output_stride, rows, columns);
    }
  }
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
