#pragma once

#include "cpu/operations/operation.h"

// Ways to convolve beside the product of weights and packed patches.

namespace gpustack_draw::cpu {

/// A convolution of what an enlargement makes of its input may have that input itself instead,
/// where it can enlarge it on its way.
bool can_enlarge(const ggml_tensor& node, const ggml_tensor& enlargement, const Kernels& kernels);

/// One of the pictures of a CONV_2D.
Convolution of_picture(const ggml_tensor& node, std::int64_t picture, const Kernels& kernels);

/// Whether the kernel is of 3x3, without stride and dilation.
bool is_plain_three_by_three(const Convolution& c);

/// With few pixels to come out: the patches as they are.
bool has_few_pixels(const Convolution& c, const Kernels& kernels);
void run_as_narrow_product(const ggml_tensor& node, const Kernels& kernels, Team& team);

/// Winograd's way: the side of the tiles to work in, or 0 where the product is the shorter way.
std::int64_t best_side(const Convolution& c, const Kernels& kernels);
void run_in_tiles(const ggml_tensor& node, std::int64_t side, const Kernels& kernels, Team& team);

/// Tap by tap, with AMX.
bool suits_taps(const Convolution& c, const Kernels& kernels);
void run_by_taps(const ggml_tensor& node, const Kernels& kernels, Team& team);

}  // namespace gpustack_draw::cpu
