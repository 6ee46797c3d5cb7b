#pragma once

// Panels hold units of 32 bits: a number in f32, or two neighbours along the depth in bf16, which
// one instruction multiplies and adds.

#include "cpu/kernels/simd.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

/// Units of one number.
struct Numbers {
  static constexpr int64_t depth = 1;

  static Vector multiply_add(Vector a, Vector b, Vector sum) {
    return LEVEL_NAMESPACE::multiply_add(a, b, sum);
  }

  /// A vector of units from numbers that lie side by side.
  static Vector vector_of_f32(const char* p) { return load(reinterpret_cast<const float*>(p)); }
  static Vector vector_of_f16(const char* p) { return load_f16(p); }
  static Vector vector_of_bf16(const char* p) { return load_bf16(p); }

  /// Four units of one row and four of another.
  static __m256 halves_of_f32(const char* p, const char* q) {
    return _mm256_set_m128(_mm_loadu_ps(reinterpret_cast<const float*>(q)),
                           _mm_loadu_ps(reinterpret_cast<const float*>(p)));
  }
  static __m256 halves_of_f16(const char* p, const char* q) {
    return _mm256_cvtph_ps(four_and_four(p, q));
  }
  static __m256 halves_of_bf16(const char* p, const char* q) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(four_and_four(p, q)), 16));
  }

  /// The same of lines that follow each other along the depth: `depth` lines make a line of units.
  static __m256 halves_of_f32_lines(const char* const* p, const char* const* q) {
    return halves_of_f32(p[0], q[0]);
  }
  static __m256 halves_of_f16_lines(const char* const* p, const char* const* q) {
    return halves_of_f16(p[0], q[0]);
  }

  /// Units of such lines, a vector of them or eight.
  static Vector vector_of_lines(const Vector (&lines)[depth]) { return lines[0]; }
  static __m256 eight_of_lines(const __m256 (&lines)[depth]) { return lines[0]; }

  /// Stores the units that numbers side by side make.
  static void store_units(float* p, Vector numbers) { store(p, numbers); }

 private:
  static __m128i four_and_four(const char* p, const char* q) {
    return _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)),
                              _mm_loadl_epi64(reinterpret_cast<const __m128i*>(q)));
  }
};

#if GPUSTACK_DRAW_LEVEL >= GPUSTACK_DRAW_AVX512_BF16

inline Vector multiply_add_pairs(Vector a, Vector b, Vector sum) {
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

/// Units of two neighbours along the depth, in bf16.
struct Pairs {
  static constexpr int64_t depth = 2;

  static Vector multiply_add(Vector a, Vector b, Vector sum) {
    return multiply_add_pairs(a, b, sum);
  }

  /// A vector of units from numbers that lie side by side.
  static Vector vector_of_f32(const char* p) {
    return side_by_side(load(reinterpret_cast<const float*>(p)),
                        load(reinterpret_cast<const float*>(p) + lanes));
  }
  static Vector vector_of_f16(const char* p) {
    return side_by_side(load_f16(p), load_f16(p + lanes * 2));
  }
  static Vector vector_of_bf16(const char* p) {
    return load(reinterpret_cast<const float*>(p));  // as it lies
  }

  /// Four units of one row and four of another.
  static __m256 halves_of_f32(const char* p, const char* q) {
    return units_of(_mm512_insertf32x8(
        _mm512_castps256_ps512(_mm256_loadu_ps(reinterpret_cast<const float*>(p))),
        _mm256_loadu_ps(reinterpret_cast<const float*>(q)), 1));
  }
  static __m256 halves_of_f16(const char* p, const char* q) {
    return units_of(_mm512_cvtph_ps(eight_and_eight(p, q)));
  }
  static __m256 halves_of_bf16(const char* p, const char* q) {
    return _mm256_castsi256_ps(eight_and_eight(p, q));
  }

  /// The same of lines that follow each other along the depth: `depth` lines make a line of units.
  static __m256 halves_of_f32_lines(const char* const* p, const char* const* q) {
    return units_of(_mm512_insertf32x8(_mm512_castps256_ps512(four_pairs(p[0], p[1])),
                                       four_pairs(q[0], q[1]), 1));
  }
  static __m256 halves_of_f16_lines(const char* const* p, const char* const* q) {
    return units_of(_mm512_cvtph_ps(_mm256_inserti128_si256(
        _mm256_castsi128_si256(four_half_pairs(p[0], p[1])), four_half_pairs(q[0], q[1]), 1)));
  }

  /// Units of such lines, a vector of them or eight.
  static Vector vector_of_lines(const Vector (&lines)[depth]) {
    return interleave(lines[0], lines[1]);
  }
  static __m256 eight_of_lines(const __m256 (&lines)[depth]) {
    const __m256i halves = _mm256_castps_si256(
        units_of(_mm512_insertf32x8(_mm512_castps256_ps512(lines[0]), lines[1], 1)));
    const __m128i even = _mm256_castsi256_si128(halves);
    const __m128i odd = _mm256_extracti128_si256(halves, 1);
    return _mm256_castsi256_ps(
        _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd)));
  }

  /// Stores the units that numbers side by side make.
  static void store_units(float* p, Vector numbers) { _mm256_storeu_ps(p, units_of(numbers)); }

  // A vector of units whose first halves are `even` and second halves are `odd`.
  static Vector interleave(Vector even, Vector odd) {
    alignas(64) static constexpr std::uint16_t order[32] = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(
        _mm512_loadu_si512(order), _mm512_castps_si512(side_by_side(even, odd))));
  }

 private:
  static Vector side_by_side(Vector first, Vector second) {
    return (Vector)_mm512_cvtne2ps_pbh(second, first);
  }
  static __m256 units_of(Vector numbers) {
    return _mm256_castsi256_ps((__m256i)_mm512_cvtneps_pbh(numbers));
  }
  static __m256 four_pairs(const char* even, const char* odd) {
    const __m128 a = _mm_loadu_ps(reinterpret_cast<const float*>(even));
    const __m128 b = _mm_loadu_ps(reinterpret_cast<const float*>(odd));
    return _mm256_set_m128(_mm_unpackhi_ps(a, b), _mm_unpacklo_ps(a, b));
  }
  static __m128i four_half_pairs(const char* even, const char* odd) {
    return _mm_unpacklo_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(even)),
                              _mm_loadl_epi64(reinterpret_cast<const __m128i*>(odd)));
  }
  static __m256i eight_and_eight(const char* p, const char* q) {
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(q)), 1);
  }
};

using Units = Pairs;

#else

using Units = Numbers;

#endif

// A tile is what is multiplied at once: the sums that fit into the registers. These are 12 sums of
// 16 registers in AVX2, 16 of 32 in AVX-512, and in AMX, whose registers are tiles themselves, four
// of eight, which take 16 units along the depth at once.
#if GPUSTACK_DRAW_LEVEL == GPUSTACK_DRAW_AMX_BF16
constexpr int64_t row_tile = 32;
constexpr int64_t tile_units = 16;
#else
constexpr int64_t row_tile = lanes == 8 ? 6 : 8;
constexpr int64_t tile_units = 1;
#endif
constexpr int64_t tile_vectors = 2;
constexpr int64_t column_tile = tile_vectors * lanes;

// A panel of columns is to take 16 KiB, half of the smallest first cache.
constexpr int64_t panel_depth = 4096 / column_tile * Units::depth;
// One that is all there is may take more with AMX: a tile's sums are read and written again for
// each.
constexpr int64_t longest_panel = tile_units > 1 ? panel_depth * 5 / 4 : panel_depth;
constexpr int64_t longest_block = 256;  // of quantised rows; the others are of 32 numbers

/// How much of a depth is packed at once, at most.
constexpr int64_t depth_chunk = longest_panel > longest_block ? longest_panel : longest_block;

inline Depth depth_for(int64_t whole, int64_t block_numbers) {
  if (block_numbers > 32) {
    return {whole, longest_block};
  }
  return {whole, whole <= longest_panel ? longest_panel : panel_depth};
}

/// What is packed at once from a place on.
inline int64_t chunk_at(const Depth& depth, int64_t begin) {
  return least(depth.chunk, depth.whole - begin);
}

/// Go through the tiles of a product that hold some columns, one tile's or fewer: `do_tile(wide,
/// row, rows)` is to do a whole tile, from a row on. Where the columns fill half a tile at most,
/// `do_tile(tall, row, rows)` is to do twice as many rows of that half, in as many registers.
template <typename Multiply, typename DoTile>
inline void for_tiles(int64_t rows, int64_t columns, const Multiply& wide, const Multiply& tall,
                      const DoTile& do_tile) {
  int64_t i = 0;
  if (columns <= column_tile / 2) {
    for (; i + row_tile < rows; i += 2 * row_tile) {
      do_tile(tall, i, 2 * row_tile);
    }
  }
  for (; i < rows; i += row_tile) {
    do_tile(wide, i, row_tile);
  }
}

/// Where a tile's sums lie: rows `stride` numbers apart.
struct Place {
  float* numbers;
  int64_t stride;

  Place moved(int64_t row, int64_t column) const {
    return {numbers + row * stride + column, stride};
  }
};

/// Units of a panel: whole tiles.
inline int64_t units_for(int64_t depth) {
  return round_up(divide_up(depth, Units::depth), tile_units);
}

/// Turn four units of eight rows, halves[i] of rows i and i + 4, into four vectors of a unit each.
/// That way nothing crosses the middle of a vector, which is what costs time.
inline void turn_four(__m256 (&halves)[4]) {
  const __m256 first = _mm256_unpacklo_ps(halves[0], halves[1]);
  const __m256 second = _mm256_unpackhi_ps(halves[0], halves[1]);
  const __m256 third = _mm256_unpacklo_ps(halves[2], halves[3]);
  const __m256 fourth = _mm256_unpackhi_ps(halves[2], halves[3]);
  halves[0] = _mm256_shuffle_ps(first, third, 0x44);
  halves[1] = _mm256_shuffle_ps(first, third, 0xee);
  halves[2] = _mm256_shuffle_ps(second, fourth, 0x44);
  halves[3] = _mm256_shuffle_ps(second, fourth, 0xee);
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
