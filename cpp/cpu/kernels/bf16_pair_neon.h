#pragma once

// Packed elements of two bf16 on Arm64. Include packed_element.h instead.

#include "cpu/kernels/simd.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

inline bfloat16x8_t as_bf16(Four x) { return vreinterpretq_bf16_f32(x); }

/// Packed element of two bf16 neighbors along k.
struct Bf16Pair {
  static constexpr int64_t k_pack = 2;

  static Vector multiply_add(Vector a, Vector b, Vector sum) {
    return {vbfdotq_f32(sum.low, as_bf16(a.low), as_bf16(b.low)),
            vbfdotq_f32(sum.high, as_bf16(a.high), as_bf16(b.high))};
  }

  /// A vector of packed elements from contiguous numbers.
  static Vector from_f32(const char* p) { return from_f32_rows(p, p + lanes * 4); }
  static Vector from_f16(const char* p) { return from_f16_rows(p, p + lanes * 2); }
  static Vector from_bf16(const char* p) { return from_bf16_rows(p, p + lanes * 2); }

  /// Four packed elements of row `p` and four of row `q`.
  static Eight from_f32_rows(const char* p, const char* q) {
    return {round_to_bf16(load(reinterpret_cast<const float*>(p))),
            round_to_bf16(load(reinterpret_cast<const float*>(q)))};
  }
  static Eight from_f16_rows(const char* p, const char* q) {
    return {round_to_bf16(load_f16(p)), round_to_bf16(load_f16(q))};
  }
  static Eight from_bf16_rows(const char* p, const char* q) {
    return {load_pairs(p), load_pairs(q)};
  }

  /// The same from lines; k_pack successive lines (along k) make one line of elements.
  static Eight from_f32_lines(const char* const* p, const char* const* q) {
    return interleave(from_two(p[0], q[0]), from_two(p[1], q[1]));
  }
  static Eight from_f16_lines(const char* const* p, const char* const* q) {
    return interleave(load_f16_rows(p[0], q[0]), load_f16_rows(p[1], q[1]));
  }

  /// A vector of packed elements, or eight, from such lines.
  static Vector from_lines(const Vector (&lines)[k_pack]) { return interleave(lines[0], lines[1]); }
  static Eight eight_from_lines(const Eight (&lines)[k_pack]) { return from_lines(lines); }

  /// Pack a vector of contiguous numbers and store it.
  static void store_packed(Packed* p, Vector numbers) {
    store_four(&p->bits, round_to_bf16(numbers));
  }

  // A vector of packed elements whose lower halves are `even` and upper halves are `odd`.
  static Vector interleave(Vector even, Vector odd) {
    return {interleave_four(even.low, odd.low), interleave_four(even.high, odd.high)};
  }

 private:
  // Four pairs, which may be aligned to two bytes only.
  static Four load_pairs(const char* p) {
    return vreinterpretq_f32_u16(vld1q_u16(reinterpret_cast<const std::uint16_t*>(p)));
  }
  static Eight from_two(const char* p, const char* q) {
    return join(load_four(reinterpret_cast<const float*>(p)),
                load_four(reinterpret_cast<const float*>(q)));
  }
  static Four round_to_bf16(Vector numbers) {
    return vreinterpretq_f32_bf16(
        vcvtq_high_bf16_f32(vcvtq_low_bf16_f32(numbers.low), numbers.high));
  }
  static Four interleave_four(Four even, Four odd) {
    const uint16x8_t halves = vreinterpretq_u16_f32(round_to_bf16({even, odd}));
    return vreinterpretq_f32_u16(vzip1q_u16(halves, vextq_u16(halves, halves, 4)));
  }
};

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
