#pragma once

// A tile of a product in the tile registers of AMX: four of 16x16 sums, which two of 16 rows and
// two of 16 columns are multiplied into, 16 units along the depth at once. What the instructions do
// is told in Intel's "Architecture Instruction Set Extensions Programming Reference" (319433),
// chapter "Intel AMX".
//
// A register of columns holds a unit of all columns in each of its lines, as panels of columns do.
// One of rows holds 16 units of a row in each, and so do panels of rows:
// panel[unit / 16][row][unit % 16].

#include "cpu/kernels/pack.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

/// Packing is what takes time, so blocks are large; a row costs less than a column, so there are
/// more of them.
constexpr BlockLimits product_limits{640, 256, 320, 64};

/// Packing a number takes as long as hundreds of products.
constexpr bool shares_sides = true;

/// Units of a packed row: panels are without gaps.
inline int64_t row_units(int64_t units) { return units; }

/// Packs the rows of a product's left side.
using LeftPacker = RowPacker<tile_units, row_tile * tile_units>;

/// What the eight registers are to hold, as LDTILECFG reads it.
struct alignas(64) TileSizes {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t line_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t lines[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileSizes) == 64);

// Not on the stack: the compiler believes that only its first numbers are read.
constexpr TileSizes tile_sizes;

/// While there is one, this thread's tile registers hold 16 lines of 64 bytes.
class TilesInUse {
 public:
  TilesInUse() { _tile_loadconfig(&tile_sizes); }
  ~TilesInUse() { _tile_release(); }
  TilesInUse(const TilesInUse&) = delete;
  TilesInUse(TilesInUse&&) = delete;
  TilesInUse& operator=(const TilesInUse&) = delete;
  TilesInUse& operator=(TilesInUse&&) = delete;

  /// The compiler is not told what memory the tile instructions read and write.
  static void compiler_barrier() { __asm__ volatile("" ::: "memory"); }
};

/// Where the four registers of sums, 0 to 3, lie in memory.
struct SumTiles {
  float* places[4];
  int64_t stride;  ///< Numbers from a line to the next.

  /// Those of row_tile x column_tile sums.
  static SumTiles wide(const Place& place) {
    float* lower = place.numbers + 16 * place.stride;
    return {{place.numbers, place.numbers + 16, lower, lower + 16}, place.stride};
  }

  /// Those of twice as many rows and half as many columns.
  static SumTiles tall(const Place& place) {
    const int64_t step = 16 * place.stride;
    return {
        {place.numbers, place.numbers + step, place.numbers + 2 * step, place.numbers + 3 * step},
        place.stride};
  }

  template <bool accumulate>
  void load() const {
    const int64_t line_bytes = stride * static_cast<int64_t>(sizeof(float));
    TilesInUse::compiler_barrier();
    if (accumulate) {
      _tile_loadd(0, places[0], line_bytes);
      _tile_loadd(1, places[1], line_bytes);
      _tile_loadd(2, places[2], line_bytes);
      _tile_loadd(3, places[3], line_bytes);
    } else {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
    }
  }

  void store() const {
    const int64_t line_bytes = stride * static_cast<int64_t>(sizeof(float));
    _tile_stored(0, places[0], line_bytes);
    _tile_stored(1, places[1], line_bytes);
    _tile_stored(2, places[2], line_bytes);
    _tile_stored(3, places[3], line_bytes);
    TilesInUse::compiler_barrier();
  }
};

constexpr int64_t row_line = tile_units * sizeof(float);
constexpr int64_t column_line = column_tile * sizeof(float);

/// Sums += rows * columns, over a tile of units; columns' units are `column_bytes` apart.
inline void multiply_registers(const float* rows, const float* columns, int64_t column_bytes) {
  _tile_loadd(6, columns, column_bytes);
  _tile_loadd(4, rows, row_line);
  _tile_dpbf16ps(0, 4, 6);
  _tile_loadd(7, columns + 16, column_bytes);
  _tile_dpbf16ps(1, 4, 7);
  _tile_loadd(5, rows + 16 * tile_units, row_line);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

/// to[row_tile][column_tile] = (from +) rows * columns, over whole tiles of units.
template <bool accumulate>
inline void multiply_tile(int64_t units, const float* rows, const float* columns, const Place& from,
                          const Place& to) {
  SumTiles::wide(from).load<accumulate>();
  for (int64_t unit = 0; unit < units; unit += tile_units) {
    multiply_registers(rows, columns, column_line);
    rows += tile_units * row_tile;
    columns += tile_units * column_tile;
  }
  SumTiles::wide(to).store();
}

/// Twice as many rows, of two panels, and half as many columns.
template <bool accumulate>
inline void multiply_tall_tile(int64_t units, const float* rows, const float* columns,
                               const Place& from, const Place& to) {
  const float* next_rows = rows + row_tile * row_units(units);
  SumTiles::tall(from).load<accumulate>();
  for (int64_t unit = 0; unit < units; unit += tile_units) {
    _tile_loadd(6, columns, column_line);
    _tile_loadd(4, rows, row_line);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(5, rows + 16 * tile_units, row_line);
    _tile_dpbf16ps(1, 5, 6);
    _tile_loadd(4, next_rows, row_line);
    _tile_dpbf16ps(2, 4, 6);
    _tile_loadd(5, next_rows + 16 * tile_units, row_line);
    _tile_dpbf16ps(3, 5, 6);
    rows += tile_units * row_tile;
    next_rows += tile_units * row_tile;
    columns += tile_units * column_tile;
  }
  SumTiles::tall(to).store();
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
