#pragma once

// Emulation of the AVX-VNNI intrinsic that cpp/cpu/kernels uses, with AVX2.

#include <immintrin.h>

// Both may be linked into one program with the real target.
#define avx_vnni avx_vnni_emulated

#undef _mm256_dpbusd_avx_epi32  // a macro of some compilers
#define _mm256_dpbusd_avx_epi32 add_byte_products

namespace gpustack_draw::cpu {

// Add the products of four unsigned bytes of `a` with four signed ones of `b` to each sum.
inline __m256i add_byte_products(__m256i sum, __m256i a, __m256i b) {
  const __m256i even = _mm256_madd_epi16(_mm256_and_si256(a, _mm256_set1_epi16(255)),
                                         _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
  const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(b, 8));
  return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}

}  // namespace gpustack_draw::cpu
