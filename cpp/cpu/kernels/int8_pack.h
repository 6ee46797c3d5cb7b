#pragma once

// Packed panels of 8-bit integers. An element holds four neighbors along k, or two of 16 bits (see
// Int8Layout); elements that are numbers or sums are stored among them.

#include "cpu/kernels/int8_formats.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

constexpr int64_t int8_block = 32;

inline void store_element(Packed* p, float number) { p->bits = number; }
inline void store_element(Packed* p, std::int32_t integer) {
  __builtin_memcpy(p, &integer, sizeof(integer));
}

inline std::int32_t sum_of(__m256i integers) {
  __m128i sum =
      _mm_add_epi32(_mm256_castsi256_si128(integers), _mm256_extracti128_si256(integers, 1));
  sum = _mm_add_epi32(sum, _mm_srli_si128(sum, 8));
  return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_srli_si128(sum, 4)));
}

/// Return the largest size of 32 numbers; infinity or NaN if one of them is, since as integers
/// their bits are larger than those of other numbers.
inline float max_size(const __m256 (&numbers)[4]) {
  const __m256i size = _mm256_set1_epi32(0x7fffffff);
  __m256i sizes = _mm256_setzero_si256();
  for (const __m256 eight : numbers) {
    sizes = _mm256_max_epi32(sizes, _mm256_and_si256(_mm256_castps_si256(eight), size));
  }
  __m128i max = _mm_max_epi32(_mm256_castsi256_si128(sizes), _mm256_extracti128_si256(sizes, 1));
  max = _mm_max_epi32(max, _mm_srli_si128(max, 8));
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(max, _mm_srli_si128(max, 4))));
}

/// Pack 32 numbers of an input: as zeros times NaN if one of them is infinite or NaN.
template <typename Layout>
inline void pack_int8_block(const float* numbers, Packed* packed) {
  constexpr float max_integer = 127;
  constexpr float min_size = 1e-30F;  // smaller numbers count as zeros: 127 / size would overflow
  __m256 eights[4];
  for (int64_t i = 0; i < 4; ++i) {
    eights[i] = _mm256_loadu_ps(numbers + i * 8);
  }
  float size = max_size(eights);
  float scale = size < min_size ? 0 : size / max_integer;
  if (!(size <= __FLT_MAX__)) {
    scale = __builtin_nanf("");
    size = 0;
    for (__m256& eight : eights) {
      eight = _mm256_setzero_ps();
    }
  }
  const __m256 inverse = _mm256_set1_ps(size < min_size ? 0 : max_integer / size);
  __m256i integers[4];
  for (int64_t i = 0; i < 4; ++i) {
    integers[i] = _mm256_cvtps_epi32(_mm256_mul_ps(eights[i], inverse));
  }
  // Packing instructions interleave the 128-bit halves.
  const __m256i first = _mm256_packs_epi32(integers[0], integers[1]);
  const __m256i last = _mm256_packs_epi32(integers[2], integers[3]);
  if constexpr (Layout::is_wide) {
    store_eight(packed, _mm256_castsi256_ps(_mm256_permute4x64_epi64(first, 0xd8)));
    store_eight(packed + 8, _mm256_castsi256_ps(_mm256_permute4x64_epi64(last, 0xd8)));
  } else {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    store_eight(packed, _mm256_castsi256_ps(
                            _mm256_permutevar8x32_epi32(_mm256_packs_epi16(first, last), order)));
  }
  packed += Layout::lines;
  store_element(packed, scale);
  const std::int32_t sums[2] = {sum_of(_mm256_add_epi32(integers[0], integers[1])),
                                sum_of(_mm256_add_epi32(integers[2], integers[3]))};
  if constexpr (Layout::has_offset) {
    store_element(packed + 1, scale * static_cast<float>(sums[0] + sums[1]));
  } else if constexpr (Layout::scales == 1) {
    store_element(packed + 1, -Layout::zero * (sums[0] + sums[1]));
  } else {
    store_element(packed + 1, -Layout::zero * sums[0]);
    store_element(packed + 2, -Layout::zero * sums[1]);
  }
}

/// Store eight lines, of one element of each row, nr elements apart.
inline void store_transposed(const __m256i (&rows)[8], Packed* panel) {
  for (int64_t half = 0; half < 2; ++half) {
    __m256 elements[4];
    for (int64_t i = 0; i < 4; ++i) {
      elements[i] =
          _mm256_castsi256_ps(half == 0 ? _mm256_permute2x128_si256(rows[i], rows[i + 4], 0x20)
                                        : _mm256_permute2x128_si256(rows[i], rows[i + 4], 0x31));
    }
    transpose_four(elements);
    for (int64_t i = 0; i < 4; ++i) {
      store_eight(panel + (half * 4 + i) * nr, elements[i]);
    }
  }
}

/// Pack a block of nr rows of weights into a panel.
template <typename Format>
inline void pack_int8_weights(const RowReader& rows, int64_t row, int64_t k, int64_t part,
                              Packed* panel) {
  Packed* factors = panel + Format::lines * nr;
  for (int64_t i = 0; i < nr; i += 8) {
    __m256i bytes[8];
#pragma GCC unroll 8
    for (int64_t j = 0; j < 8; ++j) {
      const Int8Block block = Format::unpack(rows.address(row + i + j, k), part);
      bytes[j] = block.bytes;
      for (int64_t s = 0; s < Format::scales; ++s) {
        store_element(factors + s * nr + i + j, block.scales[s]);
      }
      if constexpr (Format::has_offset) {
        store_element(factors + nr + i + j, block.offset);
      }
    }
    if constexpr (Format::is_wide) {
      __m256i halves[2][8];
      for (int64_t j = 0; j < 8; ++j) {
        halves[0][j] = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(bytes[j]));
        halves[1][j] = _mm256_cvtepu8_epi16(_mm256_extracti128_si256(bytes[j], 1));
      }
      store_transposed(halves[0], panel + i);
      store_transposed(halves[1], panel + i + 8 * nr);
    } else {
      store_transposed(bytes, panel + i);
    }
  }
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
