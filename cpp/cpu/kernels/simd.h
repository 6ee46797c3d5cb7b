#pragma once

// The vectors of one target. This header, *_kernel.h and all they include are compiled once per
// target, in that target's namespace. They must not call functions that another target could share:
// the linker keeps one copy of an inline function, which may use instructions this CPU lacks.

#include <immintrin.h>

#ifdef GPUSTACK_DRAW_EMULATION  // tests: a header that emulates instructions this machine lacks
#include GPUSTACK_DRAW_EMULATION
#endif

#include <cstdint>

#include "cpu/kernels/kernels.h"

#define GPUSTACK_DRAW_AVX2 1
#define GPUSTACK_DRAW_AVX512 2
#define GPUSTACK_DRAW_AVX512_BF16 3
#define GPUSTACK_DRAW_AMX_BF16 4

#if GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX2
#define TARGET_NAMESPACE avx2
#elif GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX512
#define TARGET_NAMESPACE avx512
#elif GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX512_BF16
#define TARGET_NAMESPACE avx512_bf16
#else
#define TARGET_NAMESPACE amx_bf16
#endif

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

using std::int64_t;

#if GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX2

using Vector = __m256;
constexpr int64_t lanes = 8;

inline Vector zero() { return _mm256_setzero_ps(); }
inline Vector broadcast(float x) { return _mm256_set1_ps(x); }
inline Vector load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Vector x) { _mm256_storeu_ps(p, x); }
inline Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
inline Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
inline Vector subtract(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
inline Vector multiply(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
inline Vector divide(Vector a, Vector b) { return _mm256_div_ps(a, b); }
// If an operand is NaN, the result is b.
inline Vector max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
inline Vector min(Vector a, Vector b) { return _mm256_min_ps(a, b); }
inline Vector nearest_integer(Vector x) {
  return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// 2^x for integers from -127 (where it is 0) to 127. Adding 1.5 * 2^23 moves the integer to the
// lowest bits.
inline Vector power_of_two(Vector x) {
  const __m256i whole = _mm256_castps_si256(_mm256_add_ps(x, _mm256_set1_ps(12582912.0F + 127)));
  return _mm256_castsi256_ps(_mm256_slli_epi32(whole, 23));
}
// x * 2^n for integers n from -252 to 254, in two steps because 2^128 exceeds f32.
inline Vector times_power_of_two(Vector x, Vector n) {
  const Vector half = nearest_integer(multiply(n, _mm256_set1_ps(0.5F)));
  return multiply(multiply(x, power_of_two(half)), power_of_two(subtract(n, half)));
}
// 2^x for x up to 127, from 2^f for -0.5 <= f <= 0.5. NaN stays NaN.
template <typename PowerOfFraction>
inline Vector power_of_two(Vector x, const PowerOfFraction& power) {
  x = max(_mm256_set1_ps(-127), x);
  const Vector whole = nearest_integer(x);
  return multiply(power(subtract(x, whole)), power_of_two(whole));
}
// Load p[begin, end); the other lanes are zeros and not read.
inline Vector load_part(const float* p, int64_t begin, int64_t end) {
  const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i low = _mm256_set1_epi32(static_cast<int>(begin) - 1);
  const __m256i high = _mm256_set1_epi32(static_cast<int>(end));
  return _mm256_maskload_ps(
      p, _mm256_and_si256(_mm256_cmpgt_epi32(index, low), _mm256_cmpgt_epi32(high, index)));
}
inline Vector load_f16(const void* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
// Convert the first signed bytes, one per lane.
inline Vector convert_i8(__m128i bytes) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)); }
// 32-bit integers, and a flag for each lane.
using Integers = __m256i;
using Mask = __m256i;
inline Integers broadcast_int(int64_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }
inline Integers load(const std::int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline Integers add(Integers a, Integers b) { return _mm256_add_epi32(a, b); }
inline Mask both(Mask a, Mask b) { return _mm256_and_si256(a, b); }
// True where 0 <= x < count.
inline Mask is_index(Integers x, int64_t count) {
  return _mm256_andnot_si256(_mm256_srai_epi32(x, 31), _mm256_cmpgt_epi32(broadcast_int(count), x));
}
// p[i] where the mask is set; the other lanes are zeros and not read.
inline Vector gather(const float* p, Integers i, Mask mask) {
  return _mm256_mask_i32gather_ps(zero(), p, i, _mm256_castsi256_ps(mask), sizeof(float));
}
// Add the upper eight lanes to the lower eight, if there are any.
inline __m256 fold_halves(Vector x) { return x; }
// Lanes of b where the mask is set, else of a.
template <std::uint32_t mask>
inline Vector blend(Vector a, Vector b) {
  return _mm256_blend_ps(a, b, mask);
}
inline Vector permute(Integers order, Vector x) { return _mm256_permutevar8x32_ps(x, order); }
inline Vector load_bf16(const void* p) {
  const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
inline void store_f16(void* p, Vector x) {
  _mm_storeu_si128(static_cast<__m128i*>(p), _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

#else

using Vector = __m512;
constexpr int64_t lanes = 16;

inline Vector zero() { return _mm512_setzero_ps(); }
inline Vector broadcast(float x) { return _mm512_set1_ps(x); }
inline Vector load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vector x) { _mm512_storeu_ps(p, x); }
inline Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
inline Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
inline Vector subtract(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
inline Vector multiply(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
inline Vector divide(Vector a, Vector b) { return _mm512_div_ps(a, b); }
inline Vector max(Vector a, Vector b) { return _mm512_max_ps(a, b); }
inline Vector min(Vector a, Vector b) { return _mm512_min_ps(a, b); }
inline Vector nearest_integer(Vector x) {
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline Vector power_of_two(Vector x) {
  const __m512i whole = _mm512_castps_si512(_mm512_add_ps(x, _mm512_set1_ps(12582912.0F + 127)));
  return _mm512_castsi512_ps(_mm512_slli_epi32(whole, 23));
}
inline Vector times_power_of_two(Vector x, Vector n) { return _mm512_scalef_ps(x, n); }
template <typename PowerOfFraction>
inline Vector power_of_two(Vector x, const PowerOfFraction& power) {
  const Vector fraction = _mm512_reduce_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  return _mm512_scalef_ps(power(fraction), subtract(x, fraction));
}
inline Vector load_part(const float* p, int64_t begin, int64_t end) {
  const auto mask = static_cast<__mmask16>((0xffffU << begin) & ~(0xffffU << end));
  return _mm512_maskz_loadu_ps(mask, p);
}
inline Vector load_f16(const void* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
}
inline Vector convert_i8(__m128i bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)); }
using Integers = __m512i;
using Mask = __mmask16;
inline Integers broadcast_int(int64_t x) { return _mm512_set1_epi32(static_cast<int>(x)); }
inline Integers load(const std::int32_t* p) { return _mm512_loadu_si512(p); }
inline Integers add(Integers a, Integers b) { return _mm512_add_epi32(a, b); }
inline Mask both(Mask a, Mask b) { return static_cast<Mask>(a & b); }
inline Mask is_index(Integers x, int64_t count) {
  return _mm512_cmplt_epu32_mask(x, broadcast_int(count));
}
inline Vector gather(const float* p, Integers i, Mask mask) {
  return _mm512_mask_i32gather_ps(zero(), mask, i, p, sizeof(float));
}
inline __m256 fold_halves(Vector x) {
  return _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
}
template <std::uint32_t mask>
inline Vector blend(Vector a, Vector b) {
  return _mm512_mask_blend_ps(static_cast<__mmask16>(mask), a, b);
}
inline Vector permute(Integers order, Vector x) { return _mm512_permutexvar_ps(order, x); }
inline Vector load_bf16(const void* p) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
inline void store_f16(void* p, Vector x) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

#endif

// The sum of all lanes of each of four vectors.
inline __m128 reduce_four(Vector a, Vector b, Vector c, Vector d) {
  const __m256 sums = _mm256_hadd_ps(_mm256_hadd_ps(fold_halves(a), fold_halves(b)),
                                     _mm256_hadd_ps(fold_halves(c), fold_halves(d)));
  return _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1));
}

inline Vector load(const Packed* p) { return load(&p->bits); }
inline void store(Packed* p, Vector x) { store(&p->bits, x); }
inline void store_eight(Packed* p, __m256 x) { _mm256_storeu_ps(&p->bits, x); }

/// Return scratch memory for `count` objects.
template <typename T>
inline T* take(Scratch& scratch, int64_t count) {
  return reinterpret_cast<T*>(scratch.take(static_cast<std::size_t>(count) * sizeof(T)));
}

inline int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
