#pragma once

// Transposing matrices.

#include "cpu/kernels/packed_element.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

inline void transpose_block(const float* input, int64_t input_stride, float* output,
                            int64_t output_stride, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      output[j * output_stride + i] = input[i * input_stride + j];
    }
  }
}

/// output[column][row] = input[row][column]; strides in numbers.
inline void transpose(const float* input, int64_t input_stride, float* output,
                      int64_t output_stride, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; i += 8) {
    for (int64_t j = 0; j < columns; j += 8) {
      const float* from = input + i * input_stride + j;
      float* to = output + j * output_stride + i;
      if (i + 8 > rows || j + 8 > columns) {
        transpose_block(from, input_stride, to, output_stride, min(8, rows - i),
                        min(8, columns - j));
        continue;
      }
      for (int64_t k = 0; k < 8; k += 4) {
        Eight lines[4];
        for (int64_t l = 0; l < 4; ++l) {
          lines[l] = join(load_four(from + l * input_stride + k),
                          load_four(from + (l + 4) * input_stride + k));
        }
        transpose_four(lines);
        for (int64_t l = 0; l < 4; ++l) {
          store_eight(to + (k + l) * output_stride, lines[l]);
        }
      }
    }
  }
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
