#pragma once

// Elements of packed panels: 32 bits that hold one f32, or two bf16 neighbors along k, which one
// instruction multiplies and adds.

#include "cpu/kernels/simd.h"
#if GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_NEON_BF16
#include "cpu/kernels/bf16_pair_neon.h"
#endif

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// Packed element of one f32.
struct F32 {
  static constexpr int64_t k_pack = 1;

  static Vector multiply_add(Vector a, Vector b, Vector sum) {
    return TARGET_NAMESPACE::multiply_add(a, b, sum);
  }

  /// A vector of packed elements from contiguous numbers.
  static Vector from_f32(const char* p) { return load(reinterpret_cast<const float*>(p)); }
  static Vector from_f16(const char* p) { return load_f16(p); }
  static Vector from_bf16(const char* p) { return load_bf16(p); }

  /// Four packed elements of row `p` and four of row `q`.
  static Eight from_f32_rows(const char* p, const char* q) {
    return join(load_four(reinterpret_cast<const float*>(p)),
                load_four(reinterpret_cast<const float*>(q)));
  }
  static Eight from_f16_rows(const char* p, const char* q) { return load_f16_rows(p, q); }
  static Eight from_bf16_rows(const char* p, const char* q) { return load_bf16_rows(p, q); }

  /// The same from lines; k_pack successive lines (along k) make one line of elements.
  static Eight from_f32_lines(const char* const* p, const char* const* q) {
    return from_f32_rows(p[0], q[0]);
  }
  static Eight from_f16_lines(const char* const* p, const char* const* q) {
    return from_f16_rows(p[0], q[0]);
  }

  /// A vector of packed elements, or eight, from such lines.
  static Vector from_lines(const Vector (&lines)[k_pack]) { return lines[0]; }
  static Eight eight_from_lines(const Eight (&lines)[k_pack]) { return lines[0]; }

  /// Pack a vector of contiguous numbers and store it.
  static void store_packed(Packed* p, Vector numbers) { store(p, numbers); }
};

#if GPUSTACK_DRAW_PACKS_BF16 && GPUSTACK_DRAW_TARGET < GPUSTACK_DRAW_NEON

inline Vector dot_bf16_pairs(Vector a, Vector b, Vector sum) {
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

/// Packed element of two bf16 neighbors along k.
struct Bf16Pair {
  static constexpr int64_t k_pack = 2;

  static Vector multiply_add(Vector a, Vector b, Vector sum) { return dot_bf16_pairs(a, b, sum); }

  /// A vector of packed elements from contiguous numbers.
  static Vector from_f32(const char* p) {
    return round_both(load(reinterpret_cast<const float*>(p)),
                      load(reinterpret_cast<const float*>(p) + lanes));
  }
  static Vector from_f16(const char* p) { return round_both(load_f16(p), load_f16(p + lanes * 2)); }
  static Vector from_bf16(const char* p) { return load(reinterpret_cast<const float*>(p)); }

  /// Four packed elements of row `p` and four of row `q`.
  static __m256 from_f32_rows(const char* p, const char* q) {
    return round_to_bf16(_mm512_insertf32x8(
        _mm512_castps256_ps512(_mm256_loadu_ps(reinterpret_cast<const float*>(p))),
        _mm256_loadu_ps(reinterpret_cast<const float*>(q)), 1));
  }
  static __m256 from_f16_rows(const char* p, const char* q) {
    return round_to_bf16(_mm512_cvtph_ps(join_vectors(p, q)));
  }
  static __m256 from_bf16_rows(const char* p, const char* q) {
    return _mm256_castsi256_ps(join_vectors(p, q));
  }

  /// The same from lines; k_pack successive lines (along k) make one line of elements.
  static __m256 from_f32_lines(const char* const* p, const char* const* q) {
    return round_to_bf16(_mm512_insertf32x8(_mm512_castps256_ps512(interleave_four(p[0], p[1])),
                                            interleave_four(q[0], q[1]), 1));
  }
  static __m256 from_f16_lines(const char* const* p, const char* const* q) {
    return round_to_bf16(_mm512_cvtph_ps(
        _mm256_inserti128_si256(_mm256_castsi128_si256(interleave_four_f16(p[0], p[1])),
                                interleave_four_f16(q[0], q[1]), 1)));
  }

  /// A vector of packed elements, or eight, from such lines.
  static Vector from_lines(const Vector (&lines)[k_pack]) { return interleave(lines[0], lines[1]); }
  static __m256 eight_from_lines(const __m256 (&lines)[k_pack]) {
    const __m256i halves = _mm256_castps_si256(
        round_to_bf16(_mm512_insertf32x8(_mm512_castps256_ps512(lines[0]), lines[1], 1)));
    const __m128i even = _mm256_castsi256_si128(halves);
    const __m128i odd = _mm256_extracti128_si256(halves, 1);
    return _mm256_castsi256_ps(
        _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd)));
  }

  /// Pack a vector of contiguous numbers and store it.
  static void store_packed(Packed* p, Vector numbers) { store_eight(p, round_to_bf16(numbers)); }

  // A vector of packed elements whose lower halves are `even` and upper halves are `odd`.
  static Vector interleave(Vector even, Vector odd) {
    alignas(64) static constexpr std::uint16_t order[32] = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(
        _mm512_loadu_si512(order), _mm512_castps_si512(round_both(even, odd))));
  }

 private:
  static Vector round_both(Vector first, Vector second) {
    return (Vector)_mm512_cvtne2ps_pbh(second, first);
  }
  static __m256 round_to_bf16(Vector numbers) {
    return _mm256_castsi256_ps((__m256i)_mm512_cvtneps_pbh(numbers));
  }
  static __m256 interleave_four(const char* even, const char* odd) {
    const __m128 a = _mm_loadu_ps(reinterpret_cast<const float*>(even));
    const __m128 b = _mm_loadu_ps(reinterpret_cast<const float*>(odd));
    return _mm256_set_m128(_mm_unpackhi_ps(a, b), _mm_unpacklo_ps(a, b));
  }
  static __m128i interleave_four_f16(const char* even, const char* odd) {
    return _mm_unpacklo_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(even)),
                              _mm_loadl_epi64(reinterpret_cast<const __m128i*>(odd)));
  }
  static __m256i join_vectors(const char* p, const char* q) {
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(q)), 1);
  }
};

#endif

#if GPUSTACK_DRAW_PACKS_BF16
using PackedElement = Bf16Pair;
#else
using PackedElement = F32;
#endif

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
