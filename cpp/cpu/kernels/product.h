#pragma once

// The product that everything here is built on. A block of the output is computed by one thread in
// steps along the depth: pack a chunk of the rows into panels that stay in the second cache; then
// pack one panel of columns after the other, which stays in the first, and multiply it by all rows,
// tile by tile in registers.
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

// Where the panels of a whole side lie: [chunk of the depth][panel].
inline int64_t left_place(const Side& side, int64_t row, int64_t depth) {
  const int64_t chunk = round_up(side.count, row_tile) * row_units(units_for(side.depth.chunk));
  const int64_t units = units_for(chunk_at(side.depth, depth));
  return depth / side.depth.chunk * chunk + row * row_units(units);
}

inline int64_t right_place(const Side& side, int64_t column, int64_t depth) {
  const int64_t chunk = round_up(side.count, column_tile) * units_for(side.depth.chunk);
  const int64_t units = units_for(chunk_at(side.depth, depth));
  return depth / side.depth.chunk * chunk + column * units;
}

inline int64_t left_numbers(const Side& side) {
  return left_place(side, 0, round_up(side.depth.whole, side.depth.chunk));
}

inline int64_t right_numbers(const Side& side) {
  return right_place(side, 0, round_up(side.depth.whole, side.depth.chunk));
}

/// Row panels for `multiply`, of some rows of a side.
class LeftPanels {
 public:
  LeftPanels(const Side& side, int64_t begin, int64_t end)
      : side_(side), packer_(side.rows, end), begin_(begin), end_(end) {}

  const float* operator()(int64_t depth, int64_t count, float* panels, float* numbers) const {
    if (side_.panels != nullptr) {
      return side_.panels + left_place(side_, begin_, depth);
    }
    for (int64_t i = 0; i < end_ - begin_; i += row_tile) {
      packer_.pack(begin_ + i, depth, count, panels + i * row_units(units_for(count)), numbers);
    }
    return panels;
  }

  /// What will be packed for a depth, to be asked for in so many times.
  Ahead ahead(int64_t depth, int64_t times) const {
    return side_.panels != nullptr
               ? Ahead()
               : Ahead(packer_.rows(), begin_, end_, depth, chunk_at(side_.depth, depth), times);
  }

 private:
  Side side_;
  LeftPacker packer_;
  int64_t begin_;
  int64_t end_;
};

/// Panels of columns for `multiply`, of some rows of a side.
class RightPanels {
 public:
  RightPanels(const Side& side, int64_t begin, int64_t end)
      : side_(side), packer_(side.rows, end), begin_(begin), end_(end) {}

  const float* operator()(int64_t column, int64_t depth, int64_t count, float* panel,
                          float* numbers) const {
    if (side_.panels != nullptr) {
      return side_.panels + right_place(side_, begin_ + column, depth);
    }
    packer_.pack(begin_ + column, depth, count, panel, numbers);
    return panel;
  }

  Ahead ahead(int64_t column, int64_t depth, int64_t times) const {
    return side_.panels != nullptr
               ? Ahead()
               : Ahead(packer_.rows(), begin_ + column, least(begin_ + column + column_tile, end_),
                       depth, chunk_at(side_.depth, depth), times);
  }

 private:
  Side side_;
  ColumnPacker packer_;
  int64_t begin_;
  int64_t end_;
};

/// Columns that come from elsewhere than rows in memory.
template <typename Columns>
inline Ahead ahead_of(const Columns& /*columns*/, int64_t /*column*/, int64_t /*depth*/,
                      int64_t /*times*/) {
  return {};
}
inline Ahead ahead_of(const RightPanels& columns, int64_t column, int64_t depth, int64_t times) {
  return columns.ahead(column, depth, times);
}

// Tiles of one panel of columns. With an `output` whole ones go straight there, of others what is
// not past the end.
template <bool accumulate, typename BeforeTile>
inline void multiply_panels(int64_t units, const float* row_panels, const float* column_panel,
                            int64_t rows, int64_t columns, const Place& sums, const Place* output,
                            const BeforeTile& before_tile) {
  for_tiles(rows, columns, multiply_tile<accumulate>, multiply_tall_tile<accumulate>,
            [&](const auto& multiply_some, int64_t row, int64_t tile_rows) {
              before_tile();
              const Place from = sums.moved(row, 0);
              const bool is_whole = row + tile_rows <= rows && columns == column_tile;
              multiply_some(units, row_panels + row * row_units(units), column_panel, from,
                            output != nullptr && is_whole ? output->moved(row, 0) : from);
              if (output != nullptr && !is_whole) {
                for (int64_t i = 0; i < least(tile_rows, rows - row); ++i) {
                  __builtin_memcpy(output->moved(row + i, 0).numbers, from.moved(i, 0).numbers,
                                   static_cast<std::size_t>(columns) * sizeof(float));
                }
              }
            });
}

/// A block of rows x columns over the whole depth.
///
/// `row_panels(depth, count, panels, numbers)` gives the panels of all rows, packed into `panels`
/// if need be, for which `numbers` is room for a panel's rows in f32; `column_panels(column, depth,
/// count, panel, numbers)` likewise the panel that begins at a column.
template <typename RowPanels, typename ColumnPanels>
void multiply_into(const Place& output, const RowPanels& row_panels,
                   const ColumnPanels& column_panels, int64_t rows, int64_t columns,
                   const Depth& depth, Workspace& workspace) {
  const int64_t tiles = divide_up(rows, row_tile);
  const int64_t stride = round_up(columns, column_tile);
  auto* sum_room = reinterpret_cast<float*>(
      workspace.sums.take(static_cast<std::size_t>(tiles * row_tile * stride) * sizeof(float)));
  const Place sums{sum_room, stride};
  const int64_t most_units = units_for(least(depth.whole, depth.chunk));
  const int64_t row_numbers = round_up(tiles * row_tile * row_units(most_units), 16);
  const int64_t panel_numbers = row_numbers + column_tile * most_units;
  auto* row_room = reinterpret_cast<float*>(workspace.panels.take(
      static_cast<std::size_t>(panel_numbers + 8 * depth_chunk) * sizeof(float)));
  const TilesInUse tiles_in_use;
  float* column_room = row_room + row_numbers;
  float* numbers = row_room + panel_numbers;
  for (int64_t begin = 0; begin < depth.whole; begin += depth.chunk) {
    const int64_t count = chunk_at(depth, begin);
    const float* left = row_panels(begin, count, row_room, numbers);
    const bool is_last = begin + count == depth.whole;
    Ahead rows_ahead;
    if (!is_last) {
      rows_ahead = row_panels.ahead(begin + count, tiles * divide_up(columns, column_tile));
    }
    for (int64_t j = 0; j < columns; j += column_tile) {
      Ahead columns_ahead;
      if (j + column_tile < columns) {
        columns_ahead = ahead_of(column_panels, j + column_tile, begin, tiles);
      } else if (!is_last) {
        columns_ahead = ahead_of(column_panels, 0, begin + count, tiles);
      }
      const auto ask = [&] {
        rows_ahead.ask();
        columns_ahead.ask();
      };
      const float* right = column_panels(j, begin, count, column_room, numbers);
      const Place tile_output = output.moved(0, j);
      const auto multiply_some =
          begin > 0 ? multiply_panels<true, decltype(ask)> : multiply_panels<false, decltype(ask)>;
      multiply_some(units_for(count), left, right, rows, least(column_tile, columns - j),
                    sums.moved(0, j), is_last ? &tile_output : nullptr, ask);
    }
  }
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
