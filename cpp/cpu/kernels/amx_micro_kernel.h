#pragma once

// The micro-kernel in the tile registers of AMX: four hold 16x16 accumulators each, two hold rows
// of A and two columns of B, 16 packed elements along k. The instructions are described in Intel's
// "Architecture Instruction Set Extensions Programming Reference" (319433), chapter "Intel AMX".
//
// A line of a B register holds one element of 16 columns, as panels of B do. A line of an A
// register holds 16 elements of one row; panels of A are panel[element / 16][row][element % 16].

#include "cpu/kernels/pack.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// Packing dominates, so blocks are large; rows are cheaper to pack than columns, so blocks are
/// tall.
constexpr BlockLimits gemm_limits{640, 256, 320, 64};

/// Packing a number costs as much as hundreds of multiply-adds.
constexpr bool packs_whole_operands = true;

/// Elements from a packed row to the next: panels have no gaps.
inline int64_t packed_row_size(int64_t elements) { return elements; }

/// Packs rows of A.
using APacker = BasicAPacker<k_tile, mr * k_tile>;

/// Shapes of the eight tile registers, as read by LDTILECFG.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t line_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t lines[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

// Not on the stack: the compiler assumes that only the first bytes are read.
constexpr TileConfig tile_config_data;

/// Configures this thread's tile registers as 16 lines of 64 bytes for its lifetime.
class ScopedTileConfig {
 public:
  ScopedTileConfig() { _tile_loadconfig(&tile_config_data); }
  ~ScopedTileConfig() { _tile_release(); }
  ScopedTileConfig(const ScopedTileConfig&) = delete;
  ScopedTileConfig(ScopedTileConfig&&) = delete;
  ScopedTileConfig& operator=(const ScopedTileConfig&) = delete;
  ScopedTileConfig& operator=(ScopedTileConfig&&) = delete;

  /// The compiler does not know which memory the tile instructions read and write.
  static void compiler_barrier() { __asm__ volatile("" ::: "memory"); }
};

/// Addresses of the four accumulator registers, 0 to 3.
struct AccumulatorTiles {
  float* addresses[4];
  int64_t stride;  ///< Numbers from a line to the next.

  /// A register tile of mr x nr accumulators.
  static AccumulatorTiles wide(const StridedTile& tile) {
    float* lower = tile.data + 16 * tile.stride;
    return {{tile.data, tile.data + 16, lower, lower + 16}, tile.stride};
  }

  /// A register tile of 2 mr x nr / 2 accumulators.
  static AccumulatorTiles tall(const StridedTile& tile) {
    const int64_t step = 16 * tile.stride;
    return {{tile.data, tile.data + step, tile.data + 2 * step, tile.data + 3 * step}, tile.stride};
  }

  template <bool accumulate>
  void load() const {
    const int64_t line_bytes = stride * static_cast<int64_t>(sizeof(float));
    ScopedTileConfig::compiler_barrier();
    if (accumulate) {
      _tile_loadd(0, addresses[0], line_bytes);
      _tile_loadd(1, addresses[1], line_bytes);
      _tile_loadd(2, addresses[2], line_bytes);
      _tile_loadd(3, addresses[3], line_bytes);
    } else {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
    }
  }

  void store() const {
    const int64_t line_bytes = stride * static_cast<int64_t>(sizeof(float));
    _tile_stored(0, addresses[0], line_bytes);
    _tile_stored(1, addresses[1], line_bytes);
    _tile_stored(2, addresses[2], line_bytes);
    _tile_stored(3, addresses[3], line_bytes);
    ScopedTileConfig::compiler_barrier();
  }
};

constexpr int64_t a_line = k_tile * sizeof(Packed);
constexpr int64_t b_line = nr * sizeof(Packed);

/// Accumulate rows * columns over k_tile elements, which are `b_stride` bytes apart in B.
inline void multiply_tile_registers(const Packed* rows, const Packed* columns, int64_t b_stride) {
  _tile_loadd(6, columns, b_stride);
  _tile_loadd(4, rows, a_line);
  _tile_dpbf16ps(0, 4, 6);
  _tile_loadd(7, columns + 16, b_stride);
  _tile_dpbf16ps(1, 4, 7);
  _tile_loadd(5, rows + 16 * k_tile, a_line);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

/// to[mr][nr] = (from +) rows * columns; `elements` is a multiple of k_tile.
template <bool accumulate>
inline void micro_kernel(int64_t elements, const Packed* rows, const Packed* columns,
                         const StridedTile& from, const StridedTile& to) {
  AccumulatorTiles::wide(from).load<accumulate>();
  for (int64_t element = 0; element < elements; element += k_tile) {
    multiply_tile_registers(rows, columns, b_line);
    rows += k_tile * mr;
    columns += k_tile * nr;
  }
  AccumulatorTiles::wide(to).store();
}

/// The same for 2 mr rows, of two panels, and nr / 2 columns.
template <bool accumulate>
inline void tall_micro_kernel(int64_t elements, const Packed* rows, const Packed* columns,
                              const StridedTile& from, const StridedTile& to) {
  const Packed* next_rows = rows + mr * packed_row_size(elements);
  AccumulatorTiles::tall(from).load<accumulate>();
  for (int64_t element = 0; element < elements; element += k_tile) {
    _tile_loadd(6, columns, b_line);
    _tile_loadd(4, rows, a_line);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(5, rows + 16 * k_tile, a_line);
    _tile_dpbf16ps(1, 5, 6);
    _tile_loadd(4, next_rows, a_line);
    _tile_dpbf16ps(2, 4, 6);
    _tile_loadd(5, next_rows + 16 * k_tile, a_line);
    _tile_dpbf16ps(3, 5, 6);
    rows += k_tile * mr;
    next_rows += k_tile * mr;
    columns += k_tile * nr;
  }
  AccumulatorTiles::tall(to).store();
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
