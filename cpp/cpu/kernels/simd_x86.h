#pragma once

// The vectors of targets for x86-64. Include simd.h instead.

#include <immintrin.h>

#ifdef GPUSTACK_DRAW_EMULATION  // tests: a header that emulates instructions this machine lacks
#include GPUSTACK_DRAW_EMULATION
#endif

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// Four and eight f32, and sixteen bytes, on every target.
using Four = __m128;
using Eight = __m256;
using Bytes = __m128i;

#if GPUSTACK_DRAW_TARGET <= GPUSTACK_DRAW_AVX_VNNI

using Vector = __m256;
constexpr int64_t lanes = 8;
#define GPUSTACK_DRAW_LANES 8

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
inline Vector convert_i8(Bytes bytes) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)); }
// 32-bit integers, and a flag for each lane.
using Integers = __m256i;
using Mask = __m256i;
inline Integers broadcast_int(int64_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }
inline Integers load(const std::int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline Integers add(Integers a, Integers b) { return _mm256_add_epi32(a, b); }
inline Vector to_floats(Integers x) { return _mm256_cvtepi32_ps(x); }
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
inline Eight fold_halves(Vector x) { return x; }
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
#define GPUSTACK_DRAW_LANES 16

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
// x * 2^n for integers n from -252 to 254.
inline Vector times_power_of_two(Vector x, Vector n) { return _mm512_scalef_ps(x, n); }
// 2^x for x up to 127, from 2^f for -0.5 <= f <= 0.5. NaN stays NaN.
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
inline Vector convert_i8(Bytes bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)); }
using Integers = __m512i;
using Mask = __mmask16;
inline Integers broadcast_int(int64_t x) { return _mm512_set1_epi32(static_cast<int>(x)); }
inline Integers load(const std::int32_t* p) { return _mm512_loadu_si512(p); }
inline Integers add(Integers a, Integers b) { return _mm512_add_epi32(a, b); }
inline Vector to_floats(Integers x) { return _mm512_cvtepi32_ps(x); }
inline Mask both(Mask a, Mask b) { return static_cast<Mask>(a & b); }
inline Mask is_index(Integers x, int64_t count) {
  return _mm512_cmplt_epu32_mask(x, broadcast_int(count));
}
inline Vector gather(const float* p, Integers i, Mask mask) {
  return _mm512_mask_i32gather_ps(zero(), mask, i, p, sizeof(float));
}
inline Eight fold_halves(Vector x) {
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
inline Eight multiply_add(Eight a, Eight b, Eight c) { return _mm256_fmadd_ps(a, b, c); }
inline Eight add(Eight a, Eight b) { return _mm256_add_ps(a, b); }
inline Eight subtract(Eight a, Eight b) { return _mm256_sub_ps(a, b); }
inline Eight multiply(Eight a, Eight b) { return _mm256_mul_ps(a, b); }

#endif

inline Four zero_four() { return _mm_setzero_ps(); }
inline Four load_four(const float* p) { return _mm_loadu_ps(p); }
inline void store_four(float* p, Four x) { _mm_storeu_ps(p, x); }
inline Four add(Four a, Four b) { return _mm_add_ps(a, b); }
// Load four numbers, the first at coordinate x; those outside of [0, width) are zeros and not read.
inline Four load_four_inside(const float* p, int64_t x, int64_t width) {
  const __m128i index =
      _mm_add_epi32(_mm_set1_epi32(static_cast<int>(x)), _mm_setr_epi32(0, 1, 2, 3));
  return _mm_maskload_ps(
      p, _mm_andnot_si128(_mm_srai_epi32(index, 31),
                          _mm_cmplt_epi32(index, _mm_set1_epi32(static_cast<int>(width)))));
}
inline float reduce_add(Four x) {
  const __m128 two = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ps(two, _mm_movehdup_ps(two)));
}

inline Eight zero_eight() { return _mm256_setzero_ps(); }
inline Eight broadcast_eight(float x) { return _mm256_set1_ps(x); }
inline Eight load_eight(const float* p) { return _mm256_loadu_ps(p); }
inline void store_eight(float* p, Eight x) { _mm256_storeu_ps(p, x); }
inline Eight join(Four low, Four high) { return _mm256_set_m128(high, low); }
inline __m128i join_low_halves(const char* p, const char* q) {
  return _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)),
                            _mm_loadl_epi64(reinterpret_cast<const __m128i*>(q)));
}
// Four numbers at p and four at q.
inline Eight load_f16_rows(const char* p, const char* q) {
  return _mm256_cvtph_ps(join_low_halves(p, q));
}
inline Eight load_bf16_rows(const char* p, const char* q) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(join_low_halves(p, q)), 16));
}
// Transpose four elements of eight rows, rows[i] holding those of rows i and i + 4, into four
// vectors of one element of each row. No shuffle crosses the 128-bit lanes, which would be slower.
inline void transpose_four(Eight (&rows)[4]) {
  const Eight first = _mm256_unpacklo_ps(rows[0], rows[1]);
  const Eight second = _mm256_unpackhi_ps(rows[0], rows[1]);
  const Eight third = _mm256_unpacklo_ps(rows[2], rows[3]);
  const Eight fourth = _mm256_unpackhi_ps(rows[2], rows[3]);
  rows[0] = _mm256_shuffle_ps(first, third, 0x44);
  rows[1] = _mm256_shuffle_ps(first, third, 0xee);
  rows[2] = _mm256_shuffle_ps(second, fourth, 0x44);
  rows[3] = _mm256_shuffle_ps(second, fourth, 0xee);
}
// The sum of all lanes of each of four vectors.
inline Four reduce_four(Vector a, Vector b, Vector c, Vector d) {
  const Eight sums = _mm256_hadd_ps(_mm256_hadd_ps(fold_halves(a), fold_halves(b)),
                                    _mm256_hadd_ps(fold_halves(c), fold_halves(d)));
  return _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1));
}

inline float number_of_f16(const char* p) {
  std::uint16_t half = 0;
  __builtin_memcpy(&half, p, sizeof(half));
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half)));
}
inline Bytes load_bytes(const char* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
inline Bytes upper_half(Bytes bytes) { return _mm_srli_si128(bytes, 8); }
// Extract `bits` bits of each byte, from bit `first` on.
inline Bytes bits_of(Bytes bytes, int64_t first, int64_t bits) {
  const auto mask = static_cast<char>((1 << bits) - 1);
  return _mm_and_si128(_mm_srli_epi16(bytes, static_cast<int>(first)), _mm_set1_epi8(mask));
}
// Combine upper bits with `count` lower bits.
inline Bytes joined(Bytes lower, Bytes upper, int count) {
  return _mm_or_si128(lower, _mm_slli_epi16(upper, count));
}
inline Bytes minus(Bytes bytes, int number) {
  return _mm_sub_epi8(bytes, _mm_set1_epi8(static_cast<char>(number)));
}
// Expand sixteen bits into bytes of 1 or 0.
inline Bytes bits_as_bytes(const char* p) {
  std::int16_t bits = 0;
  __builtin_memcpy(&bits, p, sizeof(bits));
  const __m128i each = _mm_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
  const __m128i spread = _mm_shuffle_epi8(
      _mm_cvtsi32_si128(bits), _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
  return _mm_min_epu8(_mm_and_si128(spread, each), _mm_set1_epi8(1));
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
