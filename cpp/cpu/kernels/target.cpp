// The kernels of one target. CMake compiles this file once per target, with that target's flags and
// with GPUSTACK_DRAW_TARGET defined.

#include "cpu/kernels/attention_kernel.h"
#include "cpu/kernels/convolution_kernel.h"
#include "cpu/kernels/elementwise_kernel.h"
#include "cpu/kernels/gemm_kernel.h"
#include "cpu/kernels/normalize_kernel.h"
#include "cpu/kernels/skinny_gemm_kernel.h"
#if GPUSTACK_DRAW_LANES == 8 && !GPUSTACK_DRAW_PACKS_BF16
#include "cpu/kernels/strassen_gemm_kernel.h"
#endif
#include "cpu/kernels/targets.h"
#include "cpu/kernels/transpose_kernel.h"
#if GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AMX_BF16
#include "cpu/kernels/shifted_gemm_kernel.h"
#else
#include "cpu/kernels/winograd_kernel.h"
#endif

#define AS_TEXT(name) #name
#define NAME_OF(target) AS_TEXT(target)

namespace gpustack_draw::cpu::TARGET_NAMESPACE {
namespace {

#if GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AMX_BF16
constexpr ShiftedGemmKernels shifted_gemm_kernels = [] {
  ShiftedGemmKernels table{};
  table.packed_taps_size = &packed_taps_size;
  table.pack_taps = &pack_taps;
  table.packed_planes_size = &packed_planes_size;
  table.plane_count = &plane_count;
  table.pack_plane = &pack_plane;
  table.convolution = &shifted_gemm_convolution;
  return table;
}();
#endif

#if GPUSTACK_DRAW_LANES == 8 && !GPUSTACK_DRAW_PACKS_BF16
constexpr StrassenKernels strassen_kernels = [] {
  StrassenKernels table{};
  table.min_rows = 768;
  table.min_columns = 1024;
  table.min_k = 1024;
  table.limits = {960, 192, 96, 48, /*packing_cost=*/16};
  table.a_size = &a_sums_size;
  table.pack_a = &pack_a_sums;
  table.gemm = &strassen_gemm;
  return table;
}();
#endif

constexpr Kernels make_kernels() {
  Kernels table{};
  table.name = NAME_OF(TARGET_NAMESPACE);
  table.mr = mr;
  table.nr = nr;
  table.gemm_limits = gemm_limits;
  table.gemm_cost = 1.0 / PackedElement::k_pack;
  table.k_blocking_for = &k_blocking_for;
  table.packs_whole_operands = packs_whole_operands;
  table.pack_a = &pack_a;
  table.pack_b = &pack_b;
  table.packed_a_size = &packed_a_size;
  table.packed_b_size = &packed_b_size;
  table.gemm = &gemm;
#if GPUSTACK_DRAW_LANES == 8 && !GPUSTACK_DRAW_PACKS_BF16
  table.strassen = &strassen_kernels;
#endif
  table.pack_skinny_input = &pack_skinny_input;
  table.skinny_input_size = &skinny_input_size;
  table.skinny_gemm = &skinny_gemm;
  table.max_skinny_columns = &max_skinny_columns;
  table.convolution = &convolution;
  table.pack_patches = &pack_patches;
#if GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AMX_BF16
  table.shifted_gemm = &shifted_gemm_kernels;
#else
  table.winograd_convolution = &winograd_convolution;
  table.winograd_transform_input = &winograd_transform_input;
  table.winograd_input_size = &winograd_input_size;
  table.winograd_limits = winograd_limits;
  table.max_skinny_tiles = max_skinny_tiles;
#endif
  table.attention = &attention;
  table.normalize = &normalize;
  table.normalize_rms = &normalize_rms;
  table.unary = &unary;
  table.add = &add_arrays;
  table.add_scalar = &add_scalar;
  table.multiply = &multiply_arrays;
  table.multiply_scalar = &multiply_scalar;
  table.leaky_relu = &leaky_relu;
  table.to_f16 = &to_f16;
  table.transpose = &transpose;
  return table;
}

}  // namespace

constexpr Kernels kernels = make_kernels();

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
