#pragma once

// The vectors of one target. This header, *_kernel.h and all they include are compiled once per
// target, in that target's namespace. They must not call functions that another target could share:
// the linker keeps one copy of an inline function, which may use instructions this CPU lacks.

#include <cstdint>

#include "cpu/kernels/kernels.h"

#define GPUSTACK_DRAW_AVX2 1
#define GPUSTACK_DRAW_AVX_VNNI 2  // int8_target.cpp only
#define GPUSTACK_DRAW_AVX512 3
#define GPUSTACK_DRAW_AVX512_VNNI 4  // int8_target.cpp only
#define GPUSTACK_DRAW_AVX512_BF16 5
#define GPUSTACK_DRAW_AMX_BF16 6
#define GPUSTACK_DRAW_NEON 11
#define GPUSTACK_DRAW_NEON_BF16 12

#if GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX2
#define TARGET_NAMESPACE avx2
#elif GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX_VNNI
#define TARGET_NAMESPACE avx_vnni
#elif GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX512
#define TARGET_NAMESPACE avx512
#elif GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX512_VNNI
#define TARGET_NAMESPACE avx512_vnni
#elif GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX512_BF16
#define TARGET_NAMESPACE avx512_bf16
#elif GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AMX_BF16
#define TARGET_NAMESPACE amx_bf16
#elif GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_NEON
#define TARGET_NAMESPACE neon
#else
#define TARGET_NAMESPACE neon_bf16
#endif

// 1 if packed elements hold two bf16, which one instruction multiplies and adds.
#define GPUSTACK_DRAW_PACKS_BF16                        \
  (GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX512_BF16 || \
   GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AMX_BF16 ||    \
   GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_NEON_BF16)

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

using std::int64_t;

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE

#if GPUSTACK_DRAW_TARGET >= GPUSTACK_DRAW_NEON
#include "cpu/kernels/simd_neon.h"
#else
#include "cpu/kernels/simd_x86.h"
#endif

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

// Always inlined, because gcc removes calls of a function that only prefetches.
__attribute__((always_inline)) inline void prefetch_to_l1(const void* p) {
  __builtin_prefetch(p, 0, 3);
}
__attribute__((always_inline)) inline void prefetch_to_l2(const void* p) {
  __builtin_prefetch(p, 0, 2);
}

#if GPUSTACK_DRAW_LANES == 8  // AVX-512 has instructions for these
// x * 2^n for integers n from -252 to 254, in two steps because 2^128 exceeds f32.
inline Vector times_power_of_two(Vector x, Vector n) {
  const Vector half = nearest_integer(multiply(n, broadcast(0.5F)));
  return multiply(multiply(x, power_of_two(half)), power_of_two(subtract(n, half)));
}
// 2^x for x up to 127, from 2^f for -0.5 <= f <= 0.5. NaN stays NaN.
template <typename PowerOfFraction>
inline Vector power_of_two(Vector x, const PowerOfFraction& power) {
  x = max(broadcast(-127), x);
  const Vector whole = nearest_integer(x);
  return multiply(power(subtract(x, whole)), power_of_two(whole));
}
#endif

inline Vector load(const Packed* p) { return load(&p->bits); }
inline void store(Packed* p, Vector x) { store(&p->bits, x); }
inline void store_eight(Packed* p, Eight x) { store_eight(&p->bits, x); }

/// Return scratch memory for `count` objects.
template <typename T>
inline T* take(Scratch& scratch, int64_t count) {
  return reinterpret_cast<T*>(scratch.take(static_cast<std::size_t>(count) * sizeof(T)));
}

constexpr int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
