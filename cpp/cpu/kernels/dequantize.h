#pragma once

// Dequantization of the common formats, sixteen numbers at a time; others use Rows::dequantize, a
// ggml function. A number is scale * small integer + offset. Formats are defined by ggml's
// block_q4_0 and so on (ggml-common.h), little-endian.

#include "cpu/kernels/simd.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// Convert sixteen signed bytes and store scale * byte + offset.
inline void store_numbers(float* numbers, Bytes bytes, float scale, float offset) {
  store(numbers, multiply_add(broadcast(scale), convert_i8(bytes), broadcast(offset)));
  if constexpr (lanes == 8) {
    store(numbers + 8,
          multiply_add(broadcast(scale), convert_i8(upper_half(bytes)), broadcast(offset)));
  }
}

/// q8_0, blocks of 32: scale, 32 bytes.
inline void dequantize_q8_0(const char* blocks, float* numbers, int64_t count) {
  constexpr int64_t block_bytes = 34;
  for (int64_t i = 0; i < count; i += 32, blocks += block_bytes) {
    const float scale = number_of_f16(blocks);
    store_numbers(numbers + i, load_bytes(blocks + 2), scale, 0);
    store_numbers(numbers + i + 16, load_bytes(blocks + 18), scale, 0);
  }
}

/// q4_0, q4_1, q5_0, q5_1, blocks of 32: scale, optional offset, optional fifth bits, 16 bytes
/// whose lower halves are the first 16 numbers and upper halves the others. Without an offset, half
/// the range is subtracted.
template <int bits, bool has_offset>
inline void dequantize_32(const char* blocks, float* numbers, int64_t count) {
  constexpr int64_t high = has_offset ? 4 : 2;
  constexpr int64_t low = high + (bits == 5 ? 4 : 0);
  constexpr int64_t block_bytes = low + 16;
  constexpr int middle = has_offset ? 0 : 1 << (bits - 1);
  for (int64_t i = 0; i < count; i += 32, blocks += block_bytes) {
    const float scale = number_of_f16(blocks);
    const float offset = has_offset ? number_of_f16(blocks + 2) : 0;
    for (int64_t half = 0; half < 2; ++half) {
      Bytes bytes = bits_of(load_bytes(blocks + low), 4 * half, 4);
      if constexpr (bits == 5) {
        bytes = joined(bytes, bits_as_bytes(blocks + high + 2 * half), 4);
      }
      store_numbers(numbers + i + 16 * half, minus(bytes, middle), scale, offset);
    }
  }
}

/// Loop over a block of 256 numbers, sixteen at a time: store_part(j, half, quarter, k) stores the
/// j-th sixteen, which begin at number k of the 32 in a quarter of a half. The loop is unrolled, so
/// that shift counts are constants: a fifth faster.
template <typename StorePart>
inline void for_each_sixteen(const StorePart& store_part) {
#pragma GCC unroll 16
  for (int64_t j = 0; j < 16; ++j) {
    store_part(j, j / 8, j / 2 % 4, j % 2 * 16);
  }
}

/// Unpack 12 bytes: eight 6-bit factors of the scale, then of the offset. The first four of each
/// are in the lower six bits of a byte, whose upper two bits belong to the last four.
inline void unpack_offset_factors(const char* packed, std::uint8_t (&factors)[16]) {
  std::uint32_t words[3];
  __builtin_memcpy(words, packed, sizeof(words));
  for (int64_t j = 0; j < 2; ++j) {
    const std::uint32_t first = words[j] & 0x3f3f3f3f;
    const std::uint32_t last = (words[2] >> j * 4 & 0x0f0f0f0f) | (words[j] >> 2 & 0x30303030);
    __builtin_memcpy(factors + j * 8, &first, sizeof(first));
    __builtin_memcpy(factors + j * 8 + 4, &last, sizeof(last));
  }
}

/// q4_K, q5_K, blocks of 256: scale, offset, factors of both for each 32 numbers, optional fifth
/// bits, lower four bits. 32 bytes hold the lower bits of two quarters, or all fifth bits.
template <int bits>
inline void dequantize_with_offsets(const char* blocks, float* numbers, int64_t count) {
  constexpr int64_t high = 16;
  constexpr int64_t low = high + (bits == 5 ? 32 : 0);
  constexpr int64_t block_bytes = low + 128;
  for (int64_t i = 0; i < count; i += 256, blocks += block_bytes) {
    const float scale = number_of_f16(blocks);
    const float offset = -number_of_f16(blocks + 2);
    std::uint8_t factors[16];
    unpack_offset_factors(blocks + 4, factors);
    for_each_sixteen([&](int64_t j, int64_t /*half*/, int64_t quarter, int64_t k) {
      const int64_t pair = j / 2;
      const char* place = blocks + low + pair / 2 * 32 + k;
      Bytes bytes = bits_of(load_bytes(place), quarter % 2 * 4, 4);
      if constexpr (bits == 5) {
        bytes = joined(bytes, bits_of(load_bytes(blocks + high + k), pair, 1), 4);
      }
      store_numbers(numbers + i + j * 16, bytes, scale * static_cast<float>(factors[pair]),
                    offset * static_cast<float>(factors[8 + pair]));
    });
  }
}

/// q6_K, blocks of 256: lower four bits, upper two, a factor of the scale for each sixteen, scale.
/// 64 bytes hold the lower bits of a half (two quarters in each byte), 32 bytes its upper bits (all
/// four quarters).
inline void dequantize_q6_k(const char* blocks, float* numbers, int64_t count) {
  constexpr int64_t high = 128;
  constexpr int64_t factors = 192;
  constexpr int64_t scale_at = 208;
  constexpr int64_t block_bytes = 210;
  for (int64_t i = 0; i < count; i += 256, blocks += block_bytes) {
    const float scale = number_of_f16(blocks + scale_at);
    for_each_sixteen([&](int64_t j, int64_t half, int64_t quarter, int64_t k) {
      const char* low = blocks + half * 64 + quarter % 2 * 32 + k;
      const Bytes lower = bits_of(load_bytes(low), quarter / 2 * 4, 4);
      const Bytes upper = bits_of(load_bytes(blocks + high + half * 32 + k), quarter * 2, 2);
      const auto factor = static_cast<float>(static_cast<signed char>(blocks[factors + j]));
      store_numbers(numbers + i + j * 16, minus(joined(lower, upper, 4), 32), scale * factor, 0);
    });
  }
}

/// q2_K, blocks of 256: factors of the scale (lower four bits) and offset (upper four) for each
/// sixteen, two bits per number, scale, offset. 32 bytes hold the numbers of a half.
inline void dequantize_q2_k(const char* blocks, float* numbers, int64_t count) {
  constexpr int64_t low = 16;
  constexpr int64_t scale_at = 80;
  constexpr int64_t block_bytes = 84;
  for (int64_t i = 0; i < count; i += 256, blocks += block_bytes) {
    const float scale = number_of_f16(blocks + scale_at);
    const float offset = -number_of_f16(blocks + scale_at + 2);
    for_each_sixteen([&](int64_t j, int64_t half, int64_t quarter, int64_t k) {
      const Bytes bytes = bits_of(load_bytes(blocks + low + half * 32 + k), quarter * 2, 2);
      const auto factors = static_cast<unsigned char>(blocks[j]);
      store_numbers(numbers + i + j * 16, bytes, scale * static_cast<float>(factors & 15),
                    offset * static_cast<float>(factors >> 4));
    });
  }
}

/// Unpack 12 bytes: the first eight hold the lower four bits of sixteen factors, the others the
/// upper two.
inline void unpack_q3_k_factors(const char* packed, std::int8_t (&factors)[16]) {
  std::uint32_t lower[2];
  std::uint32_t upper = 0;
  __builtin_memcpy(lower, packed, sizeof(lower));
  __builtin_memcpy(&upper, packed + sizeof(lower), sizeof(upper));
  for (int64_t j = 0; j < 4; ++j) {
    const std::uint32_t four =
        (lower[j % 2] >> j / 2 * 4 & 0x0f0f0f0f) | ((upper >> j * 2 & 0x03030303) << 4);
    __builtin_memcpy(factors + j * 4, &four, sizeof(four));
  }
  for (std::int8_t& factor : factors) {
    factor = static_cast<std::int8_t>(factor - 32);
  }
}

/// q3_K, blocks of 256: the third bit of each number, the lower two bits, a 6-bit factor of the
/// scale for each sixteen, scale. 32 bytes hold the lower bits of a half, or all third bits.
inline void dequantize_q3_k(const char* blocks, float* numbers, int64_t count) {
  constexpr int64_t low = 32;
  constexpr int64_t factors_at = 96;
  constexpr int64_t scale_at = 108;
  constexpr int64_t block_bytes = 110;
  for (int64_t i = 0; i < count; i += 256, blocks += block_bytes) {
    const float scale = number_of_f16(blocks + scale_at);
    std::int8_t factors[16];
    unpack_q3_k_factors(blocks + factors_at, factors);
    for_each_sixteen([&](int64_t j, int64_t half, int64_t quarter, int64_t k) {
      const Bytes lower = bits_of(load_bytes(blocks + low + half * 32 + k), quarter * 2, 2);
      const Bytes upper = bits_of(load_bytes(blocks + k), half * 4 + quarter, 1);
      store_numbers(numbers + i + j * 16, minus(joined(lower, upper, 2), 4),
                    scale * static_cast<float>(factors[j]), 0);
    });
  }
}

inline void dequantize(const Rows& rows, const char* blocks, float* numbers, int64_t count) {
  switch (rows.format) {
    case Format::q8_0:
      return dequantize_q8_0(blocks, numbers, count);
    case Format::q4_0:
      return dequantize_32<4, false>(blocks, numbers, count);
    case Format::q4_1:
      return dequantize_32<4, true>(blocks, numbers, count);
    case Format::q5_0:
      return dequantize_32<5, false>(blocks, numbers, count);
    case Format::q5_1:
      return dequantize_32<5, true>(blocks, numbers, count);
    case Format::q2_k:
      return dequantize_q2_k(blocks, numbers, count);
    case Format::q3_k:
      return dequantize_q3_k(blocks, numbers, count);
    case Format::q4_k:
      return dequantize_with_offsets<4>(blocks, numbers, count);
    case Format::q5_k:
      return dequantize_with_offsets<5>(blocks, numbers, count);
    case Format::q6_k:
      return dequantize_q6_k(blocks, numbers, count);
    default:
      return rows.dequantize(blocks, numbers, count);
  }
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
