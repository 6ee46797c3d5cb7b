#pragma once

// Emulation of the AVX-512 intrinsics that cpp/cpu/kernels uses, each vector as two of AVX2: the
// targets are tested on machines that lack AVX-512. Each function behaves as documented in Intel's
// intrinsics guide and hides the intrinsic of the same name inside the kernels' namespace. An
// intrinsic that is missing here does not compile, as the vector types differ.

#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#include "avx_vnni_emulated.h"

// All may be linked into one program with the real targets.
#define avx512 avx512_emulated
#define avx512_vnni avx512_vnni_emulated
#define avx512_bf16 avx512_bf16_emulated

// Some compilers define these as macros.
#undef _mm512_cvtps_ph
#undef _mm512_roundscale_ps
#undef _mm512_reduce_ps
#undef _mm512_mask_i32gather_ps
#undef _mm512_slli_epi32
#undef _mm512_insertf32x8
#undef _mm512_extractf32x8_ps

namespace gpustack_draw::cpu {

struct Floats {
  __m256 low;
  __m256 high;
};

struct Whole {
  __m256i low;
  __m256i high;
};

#define __m512 Floats
#define __m512i Whole
#define __m512bh Floats

#define DEFINE_BINARY(name)                                              \
  inline Floats _mm512_##name(Floats a, Floats b) {                      \
    return {_mm256_##name(a.low, b.low), _mm256_##name(a.high, b.high)}; \
  }
DEFINE_BINARY(add_ps)
DEFINE_BINARY(sub_ps)
DEFINE_BINARY(mul_ps)
DEFINE_BINARY(div_ps)
DEFINE_BINARY(max_ps)
DEFINE_BINARY(min_ps)
#undef DEFINE_BINARY

inline Floats _mm512_fmadd_ps(Floats a, Floats b, Floats c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}

inline Floats _mm512_setzero_ps() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }

inline Floats _mm512_set1_ps(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }

inline Floats _mm512_loadu_ps(const float* p) {
  return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}

// The upper half is undefined in the real intrinsic.
inline Floats _mm512_castps256_ps512(__m256 x) { return {x, x}; }

inline Floats _mm512_insertf32x8(Floats x, __m256 half, int which) {
  return which == 0 ? Floats{half, x.high} : Floats{x.low, half};
}

inline __m256 _mm512_castps512_ps256(Floats x) { return x.low; }

inline __m256 _mm512_extractf32x8_ps(Floats x, int which) { return which == 0 ? x.low : x.high; }

inline void _mm512_storeu_ps(float* p, Floats x) {
  _mm256_storeu_ps(p, x.low);
  _mm256_storeu_ps(p + 8, x.high);
}

// One number at a time, so that the address sanitizer checks each access.
inline Floats _mm512_maskz_loadu_ps(__mmask16 mask, const float* p) {
  float numbers[16] = {};
  for (int i = 0; i < 16; ++i) {
    if ((mask >> i & 1) != 0) {
      std::memcpy(numbers + i, reinterpret_cast<const char*>(p) + i * 4, sizeof(float));
    }
  }
  return _mm512_loadu_ps(numbers);
}

template <int to = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC>
inline Floats _mm512_roundscale_ps(Floats x, int /*to*/) {
  return {_mm256_round_ps(x.low, to), _mm256_round_ps(x.high, to)};
}

template <typename Function>
inline Floats each_number(Floats a, Floats b, const Function& function) {
  float x[16];
  float y[16];
  std::memcpy(x, &a, sizeof(a));
  std::memcpy(y, &b, sizeof(b));
  for (int i = 0; i < 16; ++i) {
    x[i] = function(x[i], y[i]);
  }
  return _mm512_loadu_ps(x);
}

// x minus the nearest integer.
inline Floats _mm512_reduce_ps(Floats x, int /*to nearest*/) {
  return each_number(x, _mm512_roundscale_ps(x, 0), [](float number, float whole) {
    return std::isinf(number) ? 0 : number - whole;
  });
}

inline Floats _mm512_scalef_ps(Floats a, Floats b) {
  return each_number(
      a, b, [](float number, float power) { return number * std::exp2(std::floor(power)); });
}

inline Whole _mm512_castps_si512(Floats x) {
  return {_mm256_castps_si256(x.low), _mm256_castps_si256(x.high)};
}

inline Floats _mm512_castsi512_ps(Whole x) {
  return {_mm256_castsi256_ps(x.low), _mm256_castsi256_ps(x.high)};
}

inline Whole _mm512_slli_epi32(Whole x, int bits) {
  return {_mm256_slli_epi32(x.low, bits), _mm256_slli_epi32(x.high, bits)};
}

inline Whole _mm512_cvtepu16_epi32(__m256i x) {
  return {_mm256_cvtepu16_epi32(_mm256_castsi256_si128(x)),
          _mm256_cvtepu16_epi32(_mm256_extracti128_si256(x, 1))};
}

inline Whole _mm512_cvtepi8_epi32(__m128i x) {
  return {_mm256_cvtepi8_epi32(x), _mm256_cvtepi8_epi32(_mm_srli_si128(x, 8))};
}

inline Floats _mm512_cvtepi32_ps(Whole x) {
  return {_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)};
}

inline Floats _mm512_cvtph_ps(__m256i x) {
  return {_mm256_cvtph_ps(_mm256_castsi256_si128(x)),
          _mm256_cvtph_ps(_mm256_extracti128_si256(x, 1))};
}

inline __m256i _mm512_cvtps_ph(Floats x, int /*to nearest*/) {
  return _mm256_set_m128i(_mm256_cvtps_ph(x.high, _MM_FROUND_TO_NEAREST_INT),
                          _mm256_cvtps_ph(x.low, _MM_FROUND_TO_NEAREST_INT));
}

inline Whole _mm512_loadu_si512(const void* p) {
  Whole whole;
  std::memcpy(&whole, p, sizeof(whole));
  return whole;
}

inline Whole _mm512_set1_epi32(int x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }

inline Whole _mm512_add_epi32(Whole a, Whole b) {
  return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}

inline Whole _mm512_dpbusd_epi32(Whole sum, Whole a, Whole b) {
  return {add_byte_products(sum.low, a.low, b.low), add_byte_products(sum.high, a.high, b.high)};
}

inline Whole _mm512_permutexvar_epi16(Whole order, Whole x) {
  std::uint16_t from[32];
  std::uint16_t to[32];
  std::memcpy(from, &x, sizeof(from));
  std::memcpy(to, &order, sizeof(to));
  for (std::uint16_t& number : to) {
    number = from[number % 32];
  }
  return _mm512_loadu_si512(to);
}

inline Floats _mm512_permutexvar_ps(Whole order, Floats x) {
  float from[16];
  std::uint32_t places[16];
  float to[16];
  std::memcpy(from, &x, sizeof(from));
  std::memcpy(places, &order, sizeof(places));
  for (int i = 0; i < 16; ++i) {
    to[i] = from[places[i] % 16];
  }
  return _mm512_loadu_ps(to);
}

inline Floats _mm512_mask_blend_ps(__mmask16 mask, Floats a, Floats b) {
  float numbers[16];
  float others[16];
  std::memcpy(numbers, &a, sizeof(numbers));
  std::memcpy(others, &b, sizeof(others));
  for (int i = 0; i < 16; ++i) {
    if ((mask >> i & 1) != 0) {
      numbers[i] = others[i];
    }
  }
  return _mm512_loadu_ps(numbers);
}

inline Whole _mm512_mask_blend_epi16(__mmask32 mask, Whole a, Whole b) {
  std::uint16_t numbers[32];
  std::uint16_t others[32];
  std::memcpy(numbers, &a, sizeof(numbers));
  std::memcpy(others, &b, sizeof(others));
  for (int i = 0; i < 32; ++i) {
    if ((mask >> i & 1) != 0) {
      numbers[i] = others[i];
    }
  }
  return _mm512_loadu_si512(numbers);
}

inline __mmask16 _mm512_cmplt_epu32_mask(Whole a, Whole b) {
  std::uint32_t left[16];
  std::uint32_t right[16];
  std::memcpy(left, &a, sizeof(left));
  std::memcpy(right, &b, sizeof(right));
  unsigned mask = 0;
  for (int i = 0; i < 16; ++i) {
    mask |= static_cast<unsigned>(left[i] < right[i]) << i;
  }
  return static_cast<__mmask16>(mask);
}

// One number at a time, so that the address sanitizer checks each access.
inline Floats _mm512_mask_i32gather_ps(Floats others, __mmask16 mask, Whole places, const float* p,
                                       int scale) {
  std::int32_t offsets[16];
  float numbers[16];
  std::memcpy(offsets, &places, sizeof(offsets));
  std::memcpy(numbers, &others, sizeof(numbers));
  for (int i = 0; i < 16; ++i) {
    if ((mask >> i & 1) != 0) {
      const auto offset = static_cast<std::int64_t>(offsets[i]) * scale;
      std::memcpy(numbers + i, reinterpret_cast<const char*>(p) + offset, sizeof(float));
    }
  }
  return _mm512_loadu_ps(numbers);
}

// Round to nearest even; denormals become zeros, and NaN becomes quiet.
inline std::uint32_t bf16_of(std::uint32_t bits) {
  const std::uint32_t sign = bits & 0x80000000U;
  const std::uint32_t size = bits & 0x7fffffffU;
  if (size > 0x7f800000U) {
    return (bits | 0x400000U) >> 16;
  }
  return (size < 0x00800000U ? sign : bits + 0x7fffU + (bits >> 16 & 1)) >> 16;
}

inline __m256i _mm512_cvtneps_pbh(Floats x) {
  std::uint32_t bits[16];
  std::memcpy(bits, &x, sizeof(bits));
  std::uint16_t halves[16];
  for (int i = 0; i < 16; ++i) {
    halves[i] = static_cast<std::uint16_t>(bf16_of(bits[i]));
  }
  __m256i result;
  std::memcpy(&result, halves, sizeof(result));
  return result;
}

// The numbers of the second operand come first.
inline Floats _mm512_cvtne2ps_pbh(Floats high, Floats low) {
  const __m256i halves[2] = {_mm512_cvtneps_pbh(low), _mm512_cvtneps_pbh(high)};
  return {_mm256_castsi256_ps(halves[0]), _mm256_castsi256_ps(halves[1])};
}

// One half: the products of odd numbers are added first, each with one rounding. Denormals are not
// flushed to zero here, unlike in hardware.
inline __m256 add_products(__m256 sum, __m256 a, __m256 b) {
  const auto odd = [](__m256 x) {
    return _mm256_castsi256_ps(_mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(-65536)));
  };
  const auto even = [](__m256 x) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(x), 16));
  };
  return _mm256_fmadd_ps(even(a), even(b), _mm256_fmadd_ps(odd(a), odd(b), sum));
}

inline Floats _mm512_dpbf16_ps(Floats sum, Floats a, Floats b) {
  return {add_products(sum.low, a.low, b.low), add_products(sum.high, a.high, b.high)};
}

}  // namespace gpustack_draw::cpu
