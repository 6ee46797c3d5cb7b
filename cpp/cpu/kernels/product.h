#pragma once

// The product that everything here is built on. A block of the output is computed by one thread in
// steps along the depth: pack a chunk of both sides into panels that stay in the caches (a panel of
// columns in the first, all panels of rows in the second), then multiply tile by tile in registers.
//
// Mostly nothing is packed outside a block and nothing is shared between threads, so there is no
// waiting; a number is packed once a block, and used a hundred times or more. Where packing takes
// longest, a whole side is packed first, for all blocks.

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

// Where the panels of a whole side lie: [chunk of the depth][panel].
inline int64_t left_place(const Side& side, int64_t row, int64_t depth) {
  const int64_t chunk = round_up(side.count, row_tile) * row_units(units_for(depth_chunk));
  const int64_t units = units_for(least(depth_chunk, side.depth - depth));
  return depth / depth_chunk * chunk + row * row_units(units);
}

inline int64_t right_place(const Side& side, int64_t column, int64_t depth) {
  const int64_t chunk = round_up(side.count, column_tile) * units_for(depth_chunk);
  const int64_t units = units_for(least(depth_chunk, side.depth - depth));
  return depth / depth_chunk * chunk + column * units;
}

inline int64_t left_numbers(const Side& side) {
  return left_place(side, 0, round_up(side.depth, depth_chunk));
}

inline int64_t right_numbers(const Side& side) {
  return right_place(side, 0, round_up(side.depth, depth_chunk));
}

/// Row panels for `multiply`, of some rows of a side.
inline auto left_panels(const Side& side, int64_t begin, int64_t end) {
  return [=, packer = LeftPacker(side.rows, end)](int64_t depth, int64_t count, float* panels,
                                                  float* numbers) -> const float* {
    if (side.panels != nullptr) {
      return side.panels + left_place(side, begin, depth);
    }
    for (int64_t i = 0; i < end - begin; i += row_tile) {
      packer.pack(begin + i, depth, count, panels + i * row_units(units_for(count)), numbers);
    }
    return panels;
  };
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

/// Those of some rows of a side.
inline auto right_panels(const Side& side, int64_t begin, int64_t end) {
  const ColumnPacker<column_tile> packer(side.rows, end);
  const auto packed = packed_columns(
      end - begin, [=](int64_t column, int64_t depth, int64_t count, float* panel, float* numbers) {
        packer.pack(begin + column, depth, count, panel, numbers);
      });
  return [=](int64_t depth, int64_t count, float* panels, float* numbers) -> const float* {
    return side.panels != nullptr ? side.panels + right_place(side, begin, depth)
                                  : packed(depth, count, panels, numbers);
  };
}

/// sums (+)= a block of rows x columns over the whole depth.
///
/// `row_panels(depth, count, panels, numbers)` gives the panels of all rows, packed into `panels`
/// if need be, for which `numbers` is room for a panel's rows in f32; `column_panels` likewise.
/// `sums` has room for whole tiles, `stride` numbers from row to row; what is past the block's end
/// there means nothing.
template <typename RowPanels, typename ColumnPanels>
void multiply(const RowPanels& row_panels, const ColumnPanels& column_panels, int64_t rows,
              int64_t columns, int64_t depth, bool accumulate, float* sums, int64_t stride,
              Scratch& scratch) {
  const int64_t most_units = units_for(least(depth, depth_chunk));
  const int64_t row_numbers = round_up(round_up(rows, row_tile) * row_units(most_units), 16);
  const int64_t panel_numbers =
      row_numbers + round_up(round_up(columns, column_tile) * most_units, 16);
  float* row_room = reinterpret_cast<float*>(
      scratch.take(static_cast<std::size_t>(panel_numbers + 8 * depth_chunk) * sizeof(float)));
  const TilesInUse tiles_in_use;
  float* column_room = row_room + row_numbers;
  float* numbers = row_room + panel_numbers;
  for (int64_t begin = 0; begin < depth; begin += depth_chunk) {
    const int64_t count = least(depth_chunk, depth - begin);
    const int64_t units = units_for(count);
    const float* left = row_panels(begin, count, row_room, numbers);
    const float* right = column_panels(begin, count, column_room, numbers);
    if (accumulate || begin > 0) {
      multiply_panels<true>(units, left, right, rows, columns, sums, stride);
    } else {
      multiply_panels<false>(units, left, right, rows, columns, sums, stride);
    }
  }
}

/// The same into a block of an output. The sums are kept apart from it until they are done: the
/// rows of an output often lie a power of two apart, where a cache can hold few of them at once.
template <typename RowPanels, typename ColumnPanels>
void multiply_into(float* output, int64_t output_stride, const RowPanels& row_panels,
                   const ColumnPanels& column_panels, int64_t rows, int64_t columns, int64_t depth,
                   Workspace& workspace) {
  const int64_t stride = round_up(columns, column_tile);
  auto* sums = reinterpret_cast<float*>(workspace.sums.take(
      static_cast<std::size_t>(round_up(rows, row_tile) * stride) * sizeof(float)));
  multiply(row_panels, column_panels, rows, columns, depth, /*accumulate=*/false, sums, stride,
           workspace.panels);
  for (int64_t i = 0; i < rows; ++i) {
    __builtin_memcpy(output + i * output_stride, sums + i * stride,
                     static_cast<std::size_t>(columns) * sizeof(float));
  }
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
