#pragma once

// The product that everything here is built on. A block of the output is computed by one thread in
// steps along the depth: pack a chunk of both sides into panels that stay in the caches (a panel of
// columns in the first, all panels of rows in the second), then multiply tile by tile in registers.
//
// Nothing is packed outside a block and nothing is shared between threads, so there is no waiting;
// a number is packed once a block, and used a hundred times or more.

#include "cpu/kernels/simd.h"  // the levels' numbers

#if GPUSTACK_DRAW_LEVEL == GPUSTACK_DRAW_AMX_BF16
#include "cpu/kernels/amx_tile.h"
#else
#include "cpu/kernels/vector_tile.h"
#endif

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

template <bool accumulate>
inline void multiply_panels(int64_t units, const float* row_panels, const float* column_panels,
                            int64_t rows, int64_t columns, float* sums, int64_t stride) {
  for_tiles(rows, columns, columns_at_once, multiply_tile<accumulate>,
            multiply_tall_tile<accumulate>,
            [&](const auto& multiply_some, int64_t row, int64_t column) {
              multiply_some(units, row_panels + row * row_units(units),
                            column_panels + column * units, sums + row * stride + column, stride);
            });
}

/// Column panels for `multiply`: `pack(column, depth, count, panel, numbers)` packs one of them.
template <typename Pack>
auto packed_columns(int64_t columns, const Pack& pack) {
  return [=](int64_t depth, int64_t count, float* panels, float* numbers) {
    for (int64_t j = 0; j < columns; j += column_tile) {
      pack(j, depth, count, panels + j * units_for(count), numbers);
    }
    return panels;
  };
}

/// sums (+)= a block of rows x columns over the whole depth.
///
/// `pack_rows(row, depth, count, panel, numbers)` packs the panel that begins at a row of the
/// block; `numbers` is room for a panel's rows in f32. `column_panels(depth, count, panels,
/// numbers)` gives the panels of all columns, packed into `panels` if need be. `sums` has room for
/// whole tiles, `stride` numbers from row to row; what is past the block's end there means nothing.
template <typename PackRows, typename ColumnPanels>
void multiply(const PackRows& pack_rows, const ColumnPanels& column_panels, int64_t rows,
              int64_t columns, int64_t depth, bool accumulate, float* sums, int64_t stride,
              Scratch& scratch) {
  const int64_t most_units = units_for(least(depth, depth_chunk));
  const int64_t row_numbers = round_up(round_up(rows, row_tile) * row_units(most_units), 16);
  const int64_t panel_numbers =
      row_numbers + round_up(round_up(columns, column_tile) * most_units, 16);
  float* row_panels = reinterpret_cast<float*>(
      scratch.take(static_cast<std::size_t>(panel_numbers + 8 * depth_chunk) * sizeof(float)));
  const TilesInUse tiles_in_use;
  float* room = row_panels + row_numbers;
  float* numbers = row_panels + panel_numbers;
  for (int64_t begin = 0; begin < depth; begin += depth_chunk) {
    const int64_t count = least(depth_chunk, depth - begin);
    const int64_t units = units_for(count);
    for (int64_t i = 0; i < rows; i += row_tile) {
      pack_rows(i, begin, count, row_panels + i * row_units(units), numbers);
    }
    const float* panels = column_panels(begin, count, room, numbers);
    if (accumulate || begin > 0) {
      multiply_panels<true>(units, row_panels, panels, rows, columns, sums, stride);
    } else {
      multiply_panels<false>(units, row_panels, panels, rows, columns, sums, stride);
    }
  }
}

/// The same into a block of an output. The sums are kept apart from it until they are done: the
/// rows of an output often lie a power of two apart, where a cache can hold few of them at once.
template <typename PackRows, typename ColumnPanels>
void multiply_into(float* output, int64_t output_stride, const PackRows& pack_rows,
                   const ColumnPanels& column_panels, int64_t rows, int64_t columns, int64_t depth,
                   Workspace& workspace) {
  const int64_t stride = round_up(columns, column_tile);
  auto* sums = reinterpret_cast<float*>(workspace.sums.take(
      static_cast<std::size_t>(round_up(rows, row_tile) * stride) * sizeof(float)));
  multiply(pack_rows, column_panels, rows, columns, depth, /*accumulate=*/false, sums, stride,
           workspace.panels);
  for (int64_t i = 0; i < rows; ++i) {
    __builtin_memcpy(output + i * output_stride, sums + i * stride,
                     static_cast<std::size_t>(columns) * sizeof(float));
  }
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
