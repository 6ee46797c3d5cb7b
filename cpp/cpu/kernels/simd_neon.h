#pragma once

// The vectors of targets for Arm64. Include simd.h instead.
//
// A vector is a pair of registers, so that there are as many lanes as with AVX2, and 32 registers
// of four lanes hold the accumulators that 16 of eight lanes do.

#include <arm_neon.h>

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// Four and eight f32, and sixteen bytes, on every target.
using Four = float32x4_t;
struct Eight {
  Four low;
  Four high;
};
using Bytes = uint8x16_t;

using Vector = Eight;
constexpr int64_t lanes = 8;
#define GPUSTACK_DRAW_LANES 8

inline Four zero_four() { return vdupq_n_f32(0); }
inline Four load_four(const float* p) { return vld1q_f32(p); }
inline void store_four(float* p, Four x) { vst1q_f32(p, x); }
inline Four add(Four a, Four b) { return vaddq_f32(a, b); }
// Load four numbers, the first at coordinate x; those outside of [0, width) are zeros and not read.
inline Four load_four_inside(const float* p, int64_t x, int64_t width) {
  float numbers[4] = {};
  for (int64_t i = 0; i < 4; ++i) {
    if (x + i >= 0 && x + i < width) {
      numbers[i] = p[i];
    }
  }
  return load_four(numbers);
}
inline float reduce_add(Four x) { return vaddvq_f32(x); }

inline Vector zero() { return {zero_four(), zero_four()}; }
inline Vector broadcast(float x) { return {vdupq_n_f32(x), vdupq_n_f32(x)}; }
inline Vector load(const float* p) { return {load_four(p), load_four(p + 4)}; }
inline void store(float* p, Vector x) {
  store_four(p, x.low);
  store_four(p + 4, x.high);
}
inline Vector multiply_add(Vector a, Vector b, Vector c) {
  return {vfmaq_f32(c.low, a.low, b.low), vfmaq_f32(c.high, a.high, b.high)};
}
inline Vector add(Vector a, Vector b) { return {add(a.low, b.low), add(a.high, b.high)}; }
inline Vector subtract(Vector a, Vector b) {
  return {vsubq_f32(a.low, b.low), vsubq_f32(a.high, b.high)};
}
inline Vector multiply(Vector a, Vector b) {
  return {vmulq_f32(a.low, b.low), vmulq_f32(a.high, b.high)};
}
inline Vector divide(Vector a, Vector b) {
  return {vdivq_f32(a.low, b.low), vdivq_f32(a.high, b.high)};
}
// If an operand is NaN, the result is b, which neither FMAX nor FMAXNM returns.
inline Four max(Four a, Four b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
inline Four min(Four a, Four b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
inline Vector max(Vector a, Vector b) { return {max(a.low, b.low), max(a.high, b.high)}; }
inline Vector min(Vector a, Vector b) { return {min(a.low, b.low), min(a.high, b.high)}; }
inline Vector nearest_integer(Vector x) { return {vrndnq_f32(x.low), vrndnq_f32(x.high)}; }
// 2^x for integers from -127 (where it is 0) to 127. Adding 1.5 * 2^23 moves the integer to the
// lowest bits.
inline Four power_of_two(Four x) {
  const int32x4_t whole = vreinterpretq_s32_f32(add(x, vdupq_n_f32(12582912.0F + 127)));
  return vreinterpretq_f32_s32(vshlq_n_s32(whole, 23));
}
inline Vector power_of_two(Vector x) { return {power_of_two(x.low), power_of_two(x.high)}; }
// Load p[begin, end); the other lanes are zeros and not read.
inline Vector load_part(const float* p, int64_t begin, int64_t end) {
  float numbers[lanes] = {};
  for (int64_t i = begin; i < end; ++i) {
    numbers[i] = p[i];
  }
  return load(numbers);
}

inline Four load_four_f16(const void* p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(static_cast<const std::uint16_t*>(p))));
}
inline Four load_four_bf16(const void* p) {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(static_cast<const std::uint16_t*>(p)), 16));
}
inline Vector load_f16(const void* p) {
  return {load_four_f16(p), load_four_f16(static_cast<const char*>(p) + 8)};
}
inline Vector load_bf16(const void* p) {
  return {load_four_bf16(p), load_four_bf16(static_cast<const char*>(p) + 8)};
}
inline void store_f16(void* p, Vector x) {
  const float16x8_t halves = vcvt_high_f16_f32(vcvt_f16_f32(x.low), x.high);
  vst1q_u16(static_cast<std::uint16_t*>(p), vreinterpretq_u16_f16(halves));
}
// Convert the first signed bytes, one per lane.
inline Vector convert_i8(Bytes bytes) {
  const int16x8_t wide = vmovl_s8(vget_low_s8(vreinterpretq_s8_u8(bytes)));
  return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))), vcvtq_f32_s32(vmovl_high_s16(wide))};
}

// 32-bit integers, and a flag for each lane.
struct Integers {
  int32x4_t low;
  int32x4_t high;
};
using Mask = Integers;
inline Integers broadcast_int(int64_t x) {
  const int32x4_t four = vdupq_n_s32(static_cast<int>(x));
  return {four, four};
}
inline Integers load(const std::int32_t* p) { return {vld1q_s32(p), vld1q_s32(p + 4)}; }
inline Integers add(Integers a, Integers b) {
  return {vaddq_s32(a.low, b.low), vaddq_s32(a.high, b.high)};
}
inline Mask both(Mask a, Mask b) { return {vandq_s32(a.low, b.low), vandq_s32(a.high, b.high)}; }
// True where 0 <= x < count: as unsigned numbers, negative ones are larger.
inline Mask is_index(Integers x, int64_t count) {
  const uint32x4_t limit = vdupq_n_u32(static_cast<std::uint32_t>(count));
  return {vreinterpretq_s32_u32(vcltq_u32(vreinterpretq_u32_s32(x.low), limit)),
          vreinterpretq_s32_u32(vcltq_u32(vreinterpretq_u32_s32(x.high), limit))};
}
// p[i] where the mask is set; the other lanes are zeros and not read.
inline Vector gather(const float* p, Integers i, Mask mask) {
  std::int32_t indices[lanes];
  std::int32_t is_set[lanes];
  float numbers[lanes] = {};
  vst1q_s32(indices, i.low);
  vst1q_s32(indices + 4, i.high);
  vst1q_s32(is_set, mask.low);
  vst1q_s32(is_set + 4, mask.high);
  for (int64_t lane = 0; lane < lanes; ++lane) {
    if (is_set[lane] != 0) {
      numbers[lane] = p[indices[lane]];
    }
  }
  return load(numbers);
}
// Lanes of b where the mask is set, else of a.
template <std::uint32_t mask>
inline Vector blend(Vector a, Vector b) {
  constexpr auto flag = [](int lane) { return (mask >> lane & 1) != 0 ? ~0U : 0U; };
  constexpr uint32x4_t low = {flag(0), flag(1), flag(2), flag(3)};
  constexpr uint32x4_t high = {flag(4), flag(5), flag(6), flag(7)};
  return {vbslq_f32(low, b.low, a.low), vbslq_f32(high, b.high, a.high)};
}
// TBL selects bytes: the four of lane i begin at 4 i.
inline Vector permute(Integers order, Vector x) {
  const uint8x16x2_t table = {{vreinterpretq_u8_f32(x.low), vreinterpretq_u8_f32(x.high)}};
  const auto lookup = [&](int32x4_t lane) {
    const int32x4_t bytes = vmlaq_n_s32(vdupq_n_s32(0x03020100), lane, 0x04040404);
    return vreinterpretq_f32_u8(vqtbl2q_u8(table, vreinterpretq_u8_s32(bytes)));
  };
  return {lookup(order.low), lookup(order.high)};
}

inline Eight zero_eight() { return zero(); }
inline Eight broadcast_eight(float x) { return broadcast(x); }
inline Eight load_eight(const float* p) { return load(p); }
inline void store_eight(float* p, Eight x) { store(p, x); }
inline Eight join(Four low, Four high) { return {low, high}; }
// Four numbers at p and four at q.
inline Eight load_f16_rows(const char* p, const char* q) {
  return {load_four_f16(p), load_four_f16(q)};
}
inline Eight load_bf16_rows(const char* p, const char* q) {
  return {load_four_bf16(p), load_four_bf16(q)};
}
inline void transpose_four(Four& a, Four& b, Four& c, Four& d) {
  const float64x2_t first = vreinterpretq_f64_f32(vtrn1q_f32(a, b));
  const float64x2_t second = vreinterpretq_f64_f32(vtrn2q_f32(a, b));
  const float64x2_t third = vreinterpretq_f64_f32(vtrn1q_f32(c, d));
  const float64x2_t fourth = vreinterpretq_f64_f32(vtrn2q_f32(c, d));
  a = vreinterpretq_f32_f64(vtrn1q_f64(first, third));
  b = vreinterpretq_f32_f64(vtrn1q_f64(second, fourth));
  c = vreinterpretq_f32_f64(vtrn2q_f64(first, third));
  d = vreinterpretq_f32_f64(vtrn2q_f64(second, fourth));
}
// Transpose four elements of eight rows, rows[i] holding those of rows i and i + 4, into four
// vectors of one element of each row.
inline void transpose_four(Eight (&rows)[4]) {
  transpose_four(rows[0].low, rows[1].low, rows[2].low, rows[3].low);
  transpose_four(rows[0].high, rows[1].high, rows[2].high, rows[3].high);
}
// The sum of all lanes of each of four vectors.
inline Four reduce_four(Vector a, Vector b, Vector c, Vector d) {
  return vpaddq_f32(vpaddq_f32(add(a.low, a.high), add(b.low, b.high)),
                    vpaddq_f32(add(c.low, c.high), add(d.low, d.high)));
}

inline float number_of_f16(const char* p) {
  std::uint16_t half = 0;
  __builtin_memcpy(&half, p, sizeof(half));
  return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half))), 0);
}
inline Bytes load_bytes(const char* p) {
  return vld1q_u8(reinterpret_cast<const std::uint8_t*>(p));
}
inline Bytes upper_half(Bytes bytes) { return vextq_u8(bytes, bytes, 8); }
// Extract `bits` bits of each byte, from bit `first` on.
inline Bytes bits_of(Bytes bytes, int64_t first, int64_t bits) {
  const auto mask = static_cast<std::uint8_t>((1 << bits) - 1);
  return vandq_u8(vshlq_u8(bytes, vdupq_n_s8(static_cast<std::int8_t>(-first))), vdupq_n_u8(mask));
}
// Combine upper bits with `count` lower bits.
inline Bytes joined(Bytes lower, Bytes upper, int count) {
  return vorrq_u8(lower, vshlq_u8(upper, vdupq_n_s8(static_cast<std::int8_t>(count))));
}
inline Bytes minus(Bytes bytes, int number) {
  return vsubq_u8(bytes, vdupq_n_u8(static_cast<std::uint8_t>(number)));
}
// Expand sixteen bits into bytes of 1 or 0.
inline Bytes bits_as_bytes(const char* p) {
  const uint8x8_t each = vcreate_u8(0x8040201008040201);
  const auto first = static_cast<std::uint8_t>(p[0]);
  const auto second = static_cast<std::uint8_t>(p[1]);
  const uint8x16_t flags =
      vcombine_u8(vtst_u8(vdup_n_u8(first), each), vtst_u8(vdup_n_u8(second), each));
  return vandq_u8(flags, vdupq_n_u8(1));
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
