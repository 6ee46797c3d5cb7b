// One level of instructions: CMake compiles this file once for each, with its flags and with
// GPUSTACK_DRAW_LEVEL set.

#include "cpu/kernels/attention_kernel.h"
#include "cpu/kernels/convolution_kernel.h"
#include "cpu/kernels/elementwise_kernel.h"
#include "cpu/kernels/levels.h"
#include "cpu/kernels/matrix_product_kernel.h"
#include "cpu/kernels/narrow_kernel.h"
#include "cpu/kernels/normalise_kernel.h"
#if GPUSTACK_DRAW_LEVEL == GPUSTACK_DRAW_AMX_BF16
#include "cpu/kernels/taps_kernel.h"
#else
#include "cpu/kernels/winograd_kernel.h"
#endif

namespace gpustack_draw::cpu {
namespace LEVEL_NAMESPACE {
namespace {

void transpose_block(const float* input, int64_t input_stride, float* output, int64_t output_stride,
                     int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      output[j * output_stride + i] = input[i * input_stride + j];
    }
  }
}

void transpose_numbers(const float* input, int64_t input_stride, float* output,
                       int64_t output_stride, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; i += 8) {
    for (int64_t j = 0; j < columns; j += 8) {
      const float* from = input + i * input_stride + j;
      float* to = output + j * output_stride + i;
      if (i + 8 > rows || j + 8 > columns) {
        transpose_block(from, input_stride, to, output_stride, least(8, rows - i),
                        least(8, columns - j));
        continue;
      }
      for (int64_t k = 0; k < 8; k += 4) {
        __m256 lines[4];
        for (int64_t l = 0; l < 4; ++l) {
          lines[l] = _mm256_set_m128(_mm_loadu_ps(from + (l + 4) * input_stride + k),
                                     _mm_loadu_ps(from + l * input_stride + k));
        }
        turn_four(lines);
        for (int64_t l = 0; l < 4; ++l) {
          _mm256_storeu_ps(to + (k + l) * output_stride, lines[l]);
        }
      }
    }
  }
}

}  // namespace
}  // namespace LEVEL_NAMESPACE

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
                                          transpose_numbers};

}  // namespace gpustack_draw::cpu
