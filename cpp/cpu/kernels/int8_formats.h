#pragma once

// Quantized weights as bytes. A number of a format is scale * (byte - zero) + offset, where bytes
// are unsigned. Blocks of 32 numbers along k share the scales and the offset. The formats are those
// of dequantize.h.

#include "cpu/kernels/pack.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// 32 numbers of a row.
struct Int8Block {
  __m256i bytes;
  float scales[2];  ///< Of the first and the last sixteen where they differ.
  float offset;
};

/// The layout of packed panels: for each block lines of bytes, of scales and of offsets.
template <int bits_, int scales_, bool has_offset_>
struct Int8Layout {
  static constexpr int bits = bits_;
  static constexpr int64_t scales = scales_;
  static constexpr bool has_offset = has_offset_;
  static constexpr int zero = has_offset ? 0 : 1 << (bits - 1);
  /// AVX2 multiplies bytes of up to 7 bits, because sums of two products saturate at 16 bits, and
  /// others as 16-bit integers.
  static constexpr bool is_wide = GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX2 && bits == 8;
  /// Elements of a block: four bytes, or two 16-bit integers, each.
  static constexpr int64_t lines = is_wide ? 16 : 8;
  /// Elements of a block of an input: integers, the scale, and for each scale of the weights the
  /// sum of the integers; times the input's scale for an offset, or else times minus zero.
  static constexpr int64_t a_block = lines + 1 + scales;
  static constexpr int64_t b_block = (lines + scales + (has_offset ? 1 : 0)) * nr;
};

inline __m256i thirty_two_bytes(const char* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

inline __m256i bits_of(__m256i bytes, int64_t first, int64_t bits) {
  const auto mask = static_cast<char>((1 << bits) - 1);
  return _mm256_and_si256(_mm256_srli_epi16(bytes, static_cast<int>(first)),
                          _mm256_set1_epi8(mask));
}

inline __m256i joined(__m256i lower, __m256i upper, int count) {
  return _mm256_or_si256(lower, _mm256_slli_epi16(upper, count));
}

struct Q80 : Int8Layout<8, 1, false> {
  static Int8Block unpack(const char* block, int64_t /*part*/) {
    const __m256i middle = _mm256_set1_epi8(static_cast<char>(zero));
    return {_mm256_xor_si256(thirty_two_bytes(block + 2), middle), {number_of_f16(block)}, 0};
  }
};

/// q4_0, q4_1, q5_0, q5_1.
template <int bits, bool has_offset>
struct Q32 : Int8Layout<bits, 1, has_offset> {
  static Int8Block unpack(const char* block, int64_t /*part*/) {
    constexpr int64_t high = has_offset ? 4 : 2;
    const __m128i packed = load_bytes(block + high + (bits == 5 ? 4 : 0));
    __m256i bytes = bits_of(_mm256_set_m128i(_mm_srli_epi16(packed, 4), packed), 0, 4);
    if constexpr (bits == 5) {
      bytes = joined(
          bytes, _mm256_set_m128i(bits_as_bytes(block + high + 2), bits_as_bytes(block + high)), 4);
    }
    return {bytes, {number_of_f16(block)}, has_offset ? number_of_f16(block + 2) : 0};
  }
};

/// q4_K, q5_K.
template <int bits>
struct QK : Int8Layout<bits, 1, true> {
  static Int8Block unpack(const char* block, int64_t part) {
    constexpr int64_t high = 16;
    constexpr int64_t low = high + (bits == 5 ? 32 : 0);
    std::uint8_t factors[16];
    unpack_offset_factors(block + 4, factors);
    __m256i bytes = bits_of(thirty_two_bytes(block + low + part / 2 * 32), part % 2 * 4, 4);
    if constexpr (bits == 5) {
      bytes = joined(bytes, bits_of(thirty_two_bytes(block + high), part, 1), 4);
    }
    return {bytes,
            {number_of_f16(block) * static_cast<float>(factors[part])},
            -number_of_f16(block + 2) * static_cast<float>(factors[8 + part])};
  }
};

struct Q6K : Int8Layout<6, 2, false> {
  static Int8Block unpack(const char* block, int64_t part) {
    const int64_t half = part / 4;
    const int64_t quarter = part % 4;
    const __m256i low = thirty_two_bytes(block + half * 64 + quarter % 2 * 32);
    const __m256i high = thirty_two_bytes(block + 128 + half * 32);
    const float scale = number_of_f16(block + 208);
    const auto factor = [&](int64_t i) {
      return static_cast<float>(static_cast<signed char>(block[192 + part * 2 + i]));
    };
    return {joined(bits_of(low, quarter / 2 * 4, 4), bits_of(high, quarter * 2, 2), 4),
            {scale * factor(0), scale * factor(1)},
            0};
  }
};

/// Call do_format with the type of a format. False for other formats.
template <typename Do>
inline bool with_int8_format(Format format, const Do& do_format) {
  switch (format) {
    case Format::q8_0:
      return do_format(Q80()), true;
    case Format::q4_0:
      return do_format(Q32<4, false>()), true;
    case Format::q4_1:
      return do_format(Q32<4, true>()), true;
    case Format::q5_0:
      return do_format(Q32<5, false>()), true;
    case Format::q5_1:
      return do_format(Q32<5, true>()), true;
    case Format::q4_k:
      return do_format(QK<4>()), true;
    case Format::q5_k:
      return do_format(QK<5>()), true;
    case Format::q6_k:
      return do_format(Q6K()), true;
    default:
      return false;
  }
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
