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
#else
#define TARGET_NAMESPACE amx_bf16
#endif

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

using std::int64_t;

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE

#include "cpu/kernels/simd_x86.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

// Always inlined, because gcc removes calls of a function that only prefetches.
__attribute__((always_inline)) inline void prefetch_to_l1(const void* p) {
  __builtin_prefetch(p, 0, 3);
}
__attribute__((always_inline)) inline void prefetch_to_l2(const void* p) {
  __builtin_prefetch(p, 0, 2);
}

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
