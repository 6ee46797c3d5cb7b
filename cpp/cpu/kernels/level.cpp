// One level of instructions: CMake compiles this file once for each, with its flags and with
// GPUSTACK_DRAW_LEVEL set.

#include "cpu/kernels/attention_kernel.h"
#include "cpu/kernels/convolution_kernel.h"
#include "cpu/kernels/elementwise_kernel.h"
#include "cpu/kernels/levels.h"
#include "cpu/kernels/matrix_product_kernel.h"
#include "cpu/kernels/narrow_kernel.h"
#include "cpu/kernels/normalise_kernel.h"
#include "cpu/kernels/transpose_kernel.h"
#if GPUSTACK_DRAW_LEVEL == GPUSTACK_DRAW_AMX_BF16
#include "cpu/kernels/taps_kernel.h"
#else
#include "cpu/kernels/winograd_kernel.h"
#endif

namespace gpustack_draw::cpu {
using namespace LEVEL_NAMESPACE;  // NOLINT(google-build-using-namespace): this file is one level

#define AS_TEXT(name) #name
#define NAME_OF(level) AS_TEXT(level)

#if GPUSTACK_DRAW_LEVEL == GPUSTACK_DRAW_AMX_BF16
constexpr auto convolution_in_tiles = nullptr;
constexpr auto transform_tiles = nullptr;
constexpr auto tiled_numbers = nullptr;
constexpr BlockLimits tile_limits{};
constexpr TapKernels tap_kernels{tap_numbers, pack_taps,  plane_numbers,
                                 plane_count, pack_plane, convolution_by_taps};
constexpr const TapKernels* by_taps = &tap_kernels;
#else
constexpr const TapKernels* by_taps = nullptr;
#endif

const Kernels LEVEL_NAMESPACE::kernels = {NAME_OF(LEVEL_NAMESPACE),
                                          row_tile,
                                          column_tile,
                                          product_limits,
                                          1.0 / Units::depth,
                                          depth_for,
                                          shares_sides,
                                          pack_left,
                                          pack_right,
                                          left_numbers,
                                          right_numbers,
                                          matrix_product,
                                          pack_input,
                                          input_units,
                                          narrow_product,
                                          most_narrow,
                                          convolution,
                                          pack_patches,
                                          convolution_in_tiles,
                                          transform_tiles,
                                          tiled_numbers,
                                          tile_limits,
                                          by_taps,
                                          attention,
                                          normalise,
                                          normalise_rms,
                                          unary,
                                          add_arrays,
                                          add_number,
                                          multiply_arrays,
                                          multiply_number,
                                          to_f16,
                                          transpose};

}  // namespace gpustack_draw::cpu
