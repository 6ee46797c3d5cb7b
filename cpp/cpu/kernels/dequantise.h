#pragma once

// The two commonest quantisations of weights, a vector at a time; for others Rows brings a function
// of ggml's. Blocks of 32 numbers: a scale in f16, then the numbers in units of it. The format is
// that of ggml's block_q8_0 and block_q4_0.

#include "cpu/kernels/simd.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

constexpr int64_t block_numbers = 32;

inline __m256 scale_of(const char* block) {
  std::uint16_t scale = 0;
  __builtin_memcpy(&scale, block, sizeof(scale));
  return _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(scale)));
}

inline void store_scaled(float* numbers, __m128i bytes, __m256 scale) {
  _mm256_storeu_ps(numbers, _mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes))));
}

/// 32 bytes from -128 to 127.
inline void dequantise_q8_0(const char* blocks, float* numbers, int64_t count) {
  constexpr int64_t block_bytes = 34;
  for (int64_t i = 0; i < count; i += block_numbers, blocks += block_bytes) {
    const __m256 scale = scale_of(blocks);
    for (int64_t j = 0; j < block_numbers; j += 8) {
      store_scaled(numbers + i + j,
                   _mm_loadl_epi64(reinterpret_cast<const __m128i*>(blocks + 2 + j)), scale);
    }
  }
}

/// 16 bytes: the lower halves are the first 16 numbers, the upper ones the others, each 8 too much.
inline void dequantise_q4_0(const char* blocks, float* numbers, int64_t count) {
  constexpr int64_t block_bytes = 18;
  const __m128i low = _mm_set1_epi8(15);
  const __m128i eight = _mm_set1_epi8(8);
  for (int64_t i = 0; i < count; i += block_numbers, blocks += block_bytes) {
    const __m256 scale = scale_of(blocks);
    const __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i*>(blocks + 2));
    const __m128i first = _mm_sub_epi8(_mm_and_si128(both, low), eight);
    const __m128i second = _mm_sub_epi8(_mm_and_si128(_mm_srli_epi16(both, 4), low), eight);
    store_scaled(numbers + i, first, scale);
    store_scaled(numbers + i + 8, _mm_srli_si128(first, 8), scale);
    store_scaled(numbers + i + 16, second, scale);
    store_scaled(numbers + i + 24, _mm_srli_si128(second, 8), scale);
  }
}

inline void dequantise(const Rows& rows, const char* blocks, float* numbers, int64_t count) {
  switch (rows.format) {
    case Format::q8_0:
      return dequantise_q8_0(blocks, numbers, count);
    case Format::q4_0:
      return dequantise_q4_0(blocks, numbers, count);
    default:
      return rows.dequantise(blocks, numbers, count);
  }
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
