#pragma once

// Emulation of the AMX intrinsics that cpp/cpu/kernels uses, with registers in memory, and of the
// AVX-512 ones: the target is tested on machines that lack both.

#include "avx512_emulated.h"

#define amx_bf16 amx_bf16_emulated

// These are macros in the compiler's header.
#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig configure_tiles
#define _tile_release release_tiles
#define _tile_zero zero_tile
#define _tile_loadd load_tile
#define _tile_stored store_tile
#define _tile_dpbf16ps multiply_tiles

namespace gpustack_draw::cpu {

/// A tile register: 16 lines of 64 bytes, filled with NaN while not configured.
struct Tile {
  std::uint32_t lines[16][16];
};

inline thread_local Tile tiles[8];
inline thread_local bool tiles_are_configured = false;

inline void fill_tiles(int byte) { std::memset(tiles, byte, sizeof(tiles)); }

// Accept only eight registers of 16 lines of 64 bytes; otherwise results are NaN.
inline void configure_tiles(const void* sizes) {
  unsigned char bytes[64];
  std::memcpy(bytes, sizes, sizeof(bytes));
  bool is_full = bytes[0] == 1 && bytes[1] == 0;
  for (int i = 0; i < 8; ++i) {
    is_full = is_full && bytes[16 + 2 * i] == 64 && bytes[17 + 2 * i] == 0 && bytes[48 + i] == 16;
  }
  fill_tiles(is_full ? 0 : 0xff);
  tiles_are_configured = is_full;
}

inline void release_tiles() {
  fill_tiles(0xff);
  tiles_are_configured = false;
}

inline void zero_tile(int tile) {
  if (tiles_are_configured) {
    tiles[tile] = Tile{};
  }
}

inline void load_tile(int tile, const void* base, std::int64_t stride) {
  if (tiles_are_configured) {
    for (int i = 0; i < 16; ++i) {
      std::memcpy(tiles[tile].lines[i], static_cast<const char*>(base) + i * stride, 64);
    }
  }
}

inline void store_tile(int tile, void* base, std::int64_t stride) {
  for (int i = 0; i < 16; ++i) {
    std::memcpy(static_cast<char*>(base) + i * stride, tiles[tile].lines[i], 64);
  }
}

// Denormals are not flushed to zero here, unlike in hardware.
inline void multiply_tiles(int sums, int rows, int columns) {
  __m256 lines[16][2];
  std::memcpy(lines, &tiles[columns], sizeof(lines));
  for (int i = 0; i < 16; ++i) {
    __m256 line[2];
    std::memcpy(line, tiles[sums].lines[i], sizeof(line));
    for (int k = 0; k < 16; ++k) {
      const auto pair = static_cast<int>(tiles[rows].lines[i][k]);
      const __m256 pairs = _mm256_castsi256_ps(_mm256_set1_epi32(pair));
      line[0] = add_products(line[0], pairs, lines[k][0]);
      line[1] = add_products(line[1], pairs, lines[k][1]);
    }
    std::memcpy(tiles[sums].lines[i], line, sizeof(line));
  }
}

}  // namespace gpustack_draw::cpu
