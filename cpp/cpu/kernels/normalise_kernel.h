#pragma once

// Normalisations of a run of numbers: of a row (layer and RMS norm) or of a group of channels.
// Sums are kept in f32 for a stretch and added up in f64, so that their error does not grow with
// the picture.

#include <cmath>

#include "cpu/kernels/elementwise_kernel.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

/// The sum of function(x) over `count` numbers.
template <typename Function>
inline double sum_over(const float* input, int64_t count, const Function& function) {
  constexpr int64_t stretch = 64 * lanes;
  double total = 0;
  int64_t i = 0;
  while (i + lanes <= count) {
    Vector sum = zero();
    const int64_t end = least(count - lanes + 1, i + stretch);
    for (; i < end; i += lanes) {
      sum = add(sum, function(load(input + i)));
    }
    total += static_cast<double>(sum_of(sum));
  }
  for (; i < count; ++i) {
    alignas(64) float first[lanes];
    store(first, function(all(input[i])));
    total += static_cast<double>(first[0]);
  }
  return total;
}

inline void normalise(const float* input, float* output, int64_t count, float epsilon) {
  const auto numbers = static_cast<double>(count);
  const double mean = sum_over(input, count, [](Vector x) { return x; }) / numbers;
  // In two parts: what f32 leaves of the mean counts where numbers lie close around it.
  const auto shift = static_cast<float>(mean);
  const auto rest = static_cast<float>(mean - static_cast<double>(shift));
  const auto centre = [=](Vector x) { return subtract(subtract(x, all(shift)), all(rest)); };
  const double variance = sum_over(input, count,
                                   [=](Vector x) {
                                     const Vector centred = centre(x);
                                     return multiply(centred, centred);
                                   }) /
                          numbers;
  const auto scale =
      static_cast<float>(1 / __builtin_sqrt(variance + static_cast<double>(epsilon)));
  map(input, output, count, [=](Vector x) { return multiply(centre(x), all(scale)); });
}

inline void normalise_rms(const float* input, float* output, int64_t count, float epsilon) {
  const double mean =
      sum_over(input, count, [](Vector x) { return multiply(x, x); }) / static_cast<double>(count);
  const auto scale = static_cast<float>(1 / __builtin_sqrt(mean + static_cast<double>(epsilon)));
  multiply_number(input, scale, output, count);
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
