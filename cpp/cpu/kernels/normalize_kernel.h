#pragma once

// Normalization of contiguous numbers: a row (layer and RMS norm) or a group of channels. Partial
// sums of a stretch are f32 and are added up in f64, so that errors do not grow with the picture.

#include <cmath>

#include "cpu/kernels/elementwise_kernel.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// Return the sum of function(x) over `count` numbers.
template <typename Function>
inline double sum_over(const float* input, int64_t count, const Function& function) {
  constexpr int64_t stretch = 64 * lanes;
  double total = 0;
  int64_t i = 0;
  while (i + lanes <= count) {
    Vector sum = zero();
    const int64_t end = min(count - lanes + 1, i + stretch);
    for (; i < end; i += lanes) {
      sum = add(sum, function(load(input + i)));
    }
    total += static_cast<double>(reduce_add(sum));
  }
  for (; i < count; ++i) {
    alignas(64) float first[lanes];
    store(first, function(broadcast(input[i])));
    total += static_cast<double>(first[0]);
  }
  return total;
}

inline void normalize(const float* input, float* output, int64_t count, float epsilon) {
  const auto numbers = static_cast<double>(count);
  const double mean = sum_over(input, count, [](Vector x) { return x; }) / numbers;
  // The mean in two parts: the rounding error of f32 matters where numbers are close to the mean.
  const auto shift = static_cast<float>(mean);
  const auto rest = static_cast<float>(mean - static_cast<double>(shift));
  const auto center = [=](Vector x) {
    return subtract(subtract(x, broadcast(shift)), broadcast(rest));
  };
  const double variance = sum_over(input, count,
                                   [=](Vector x) {
                                     const Vector centered = center(x);
                                     return multiply(centered, centered);
                                   }) /
                          numbers;
  const auto scale =
      static_cast<float>(1 / __builtin_sqrt(variance + static_cast<double>(epsilon)));
  map(input, output, count, [=](Vector x) { return multiply(center(x), broadcast(scale)); });
}

inline void normalize_rms(const float* input, float* output, int64_t count, float epsilon) {
  const double mean =
      sum_over(input, count, [](Vector x) { return multiply(x, x); }) / static_cast<double>(count);
  const auto scale = static_cast<float>(1 / __builtin_sqrt(mean + static_cast<double>(epsilon)));
  multiply_scalar(input, scale, output, count);
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
