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

  // Eight units of 8 numbers that lie side by side.
  static __m256 of(const float* p) { return _mm256_loadu_ps(p); }
  static __m256 of_f16(const void* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  }
  static __m256 of_bf16(const void* p) {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
  }
};

#if GPUSTACK_DRAW_LEVEL >= GPUSTACK_DRAW_AVX512_BF16

inline __m256i to_bf16(Vector x) { return (__m256i)_mm512_cvtneps_pbh(x); }
inline Vector multiply_add_pairs(Vector a, Vector b, Vector sum) {
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

/// Units of two neighbours along the depth, in bf16.
struct Pairs {
  static constexpr int64_t depth = 2;

  static Vector multiply_add(Vector a, Vector b, Vector sum) {
    return multiply_add_pairs(a, b, sum);
  }

  // Eight units of 16 numbers that lie side by side.
  static __m256 of(const float* p) { return _mm256_castsi256_ps(to_bf16(load(p))); }
  static __m256 of_f16(const void* p) { return _mm256_castsi256_ps(to_bf16(load_f16(p))); }
  static __m256 of_bf16(const void* p) {
    return _mm256_castsi256_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  }

  /// 16 units of 32 numbers that lie side by side.
  static Vector side_by_side(Vector first, Vector second) {
    return (Vector)_mm512_cvtne2ps_pbh(second, first);
  }

  // A vector of units whose first halves are `even` and second halves are `odd`.
  static Vector interleave(Vector even, Vector odd) {
    alignas(64) static constexpr std::uint16_t order[32] = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(
        _mm512_loadu_si512(order), _mm512_castps_si512(side_by_side(even, odd))));
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

/// Units of a panel: whole tiles.
template <typename U = Units>
inline int64_t units_for(int64_t depth) {
  return round_up(divide_up(depth, U::depth), tile_units);
}

/// Turn eight rows of eight units into eight columns.
inline void transpose(__m256 (&rows)[8]) {
  __m256 pairs[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
  }
  __m256 fours[8];
  for (int i = 0; i < 8; i += 4) {
    fours[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
    fours[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
    fours[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
    fours[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    rows[i] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20);
    rows[i + 4] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31);
  }
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
