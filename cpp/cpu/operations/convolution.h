#pragma once

#include "cpu/operations/operation.h"

// Convolution algorithms other than implicit GEMM.

namespace gpustack_draw::cpu {

/// True if a convolution can read the input of a 2x upsampling itself and fuse the upsampling.
bool can_fuse_upsample(const ggml_tensor& node, const ggml_tensor& upsample,
                       const Kernels& kernels);

/// Return the convolution of one picture of a CONV_2D node, and of those behind it.
Convolution of_picture(const ggml_tensor& node, std::int64_t picture, const Kernels& kernels);

/// True for 3x3 kernels without stride or dilation.
bool is_plain_three_by_three(const Convolution& c);

/// Skinny GEMM, for outputs of few pixels.
bool has_small_output(const Convolution& c, const Kernels& kernels);
void run_small_output_convolution(const ggml_tensor& node, const Kernels& kernels,
                                  ThreadPool& pool);

/// Winograd convolution. Return the best tile size, or 0 if implicit GEMM is faster.
std::int64_t best_winograd_tile(const Convolution& c, const Kernels& kernels);
void run_winograd_convolution(const ggml_tensor& node, std::int64_t tile_size,
                              const Kernels& kernels, ThreadPool& pool);

/// Nine shifted GEMMs, with AMX.
bool suits_shifted_gemm(const Convolution& c, const Kernels& kernels);
void run_shifted_gemm_convolution(const ggml_tensor& node, const Kernels& kernels,
                                  ThreadPool& pool);

}  // namespace gpustack_draw::cpu
