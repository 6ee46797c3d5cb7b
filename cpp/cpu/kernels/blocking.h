#pragma once

// Sizes of register tiles and panels, and the loops over them.
//
// A register tile is mr x nr accumulators. AVX2 has 16 registers: 12 hold 6 x 16 accumulators.
// AVX-512 has 32: 16 hold 8 x 32. AMX has eight registers of 16 x 16: four hold 32 x 32, and each
// instruction takes k_tile = 16 packed elements along k.

#include "cpu/kernels/packed_element.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

#if GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AMX_BF16
constexpr int64_t mr = 32;
constexpr int64_t k_tile = 16;
#else
constexpr int64_t mr = lanes == 8 ? 6 : 8;
constexpr int64_t k_tile = 1;
#endif
constexpr int64_t nr_vectors = 2;
constexpr int64_t nr = nr_vectors * lanes;

// A panel of B takes 16 KiB, half of the smallest L1 cache.
constexpr int64_t panel_kc = 4096 / nr * PackedElement::k_pack;
// Longer panels pay where they save a pass, because every pass loads and stores the accumulators.
// The matrices of UNets have multiples of 320 inputs.
constexpr int64_t max_panel_kc = panel_kc * 5 / 4;
constexpr int64_t max_block_size = 256;  // quantized formats have blocks of 32 or 256 numbers

/// Upper bound of KBlocking::kc.
constexpr int64_t max_kc = max_panel_kc > max_block_size ? max_panel_kc : max_block_size;

inline KBlocking k_blocking_for(int64_t k, int64_t block_size) {
  if (block_size > 32) {
    return {k, max_block_size};
  }
  return {k, k <= max_panel_kc || k % max_panel_kc == 0 ? max_panel_kc : panel_kc};
}

/// Return the numbers that are packed at a time from k on: kc, or fewer at the end.
inline int64_t kc_at(const KBlocking& blocking, int64_t k) {
  return min(blocking.kc, blocking.k - k);
}

/// Return the packed elements of k numbers, padded to whole tiles.
inline int64_t packed_elements(int64_t k) {
  return round_up(ceil_div(k, PackedElement::k_pack), k_tile);
}

/// Loop over the tiles of at most nr columns. Calls do_tile(wide, row, mr) for each tile; where the
/// columns fill at most half a tile, do_tile(tall, row, 2 * mr), which uses as many registers for
/// twice the rows and half the columns.
template <typename Kernel, typename DoTile>
inline void for_tiles(int64_t rows, int64_t columns, const Kernel& wide, const Kernel& tall,
                      const DoTile& do_tile) {
  int64_t i = 0;
  if (columns <= nr / 2) {
    for (; i + mr < rows; i += 2 * mr) {
      do_tile(tall, i, 2 * mr);
    }
  }
  for (; i < rows; i += mr) {
    do_tile(wide, i, mr);
  }
}

/// A tile of numbers in memory, its rows `stride` numbers apart.
struct StridedTile {
  float* data;
  int64_t stride;

  StridedTile at(int64_t row, int64_t column) const {
    return {data + row * stride + column, stride};
  }
};

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
