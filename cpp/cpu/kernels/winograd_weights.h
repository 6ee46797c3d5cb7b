#pragma once

// The weight transform of Winograd convolution.

#include "cpu/kernels/pack.h"
#include "cpu/kernels/tap_sorter.h"
#include "cpu/kernels/winograd_transforms.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// Vectors of f32 numbers, for TapSorter.
struct F32Lanes {
  using Index = std::int32_t;
  static constexpr int64_t count = lanes;

  template <std::uint32_t mask>
  static Vector blend(Vector a, Vector b) {
    return TARGET_NAMESPACE::blend<mask>(a, b);
  }
  static Vector permute(const Index (&order)[count], Vector x) {
    return TARGET_NAMESPACE::permute(load(order), x);
  }
};

/// Transforms rows of weights, one per output channel. Past `row_end` the last row is repeated.
template <typename Transform>
class WinogradWeights {
 public:
  WinogradWeights(const Convolution& convolution, int64_t row_end)
      : reader_(convolution.weights.rows, row_end) {}

  /// Address of the weights of an input channel.
  const char* address(int64_t row, int64_t channel) const {
    return reader_.address(row, channel * taps);
  }

  /// Transform a row for some input channels into packed[position * position_stride + element], in
  /// whole vectors padded with zeros. `next` points to as many weights, which are prefetched.
  void run(int64_t row, int64_t channel, int64_t channels, const char* next, Packed* packed,
           int64_t position_stride) const {
    const char* numbers = address(row, channel);
    if (reader_.format() == Format::f32) {
      transform_row<4>(numbers, channels, next, packed, position_stride,
                       [](const char* p) { return load(reinterpret_cast<const float*>(p)); });
    } else {
      transform_row<2>(numbers, channels, next, packed, position_stride,
                       [](const char* p) { return load_f16(p); });
    }
  }

 private:
  using PackedElement = typename Transform::PackedElement;
  static constexpr int64_t points = Transform::points;

  template <int64_t number_bytes, typename Load>
  static void transform_row(const char* numbers, int64_t channels, const char* next, Packed* packed,
                            int64_t position_stride, const Load& load_numbers) {
    constexpr int64_t group_bytes = taps * lanes * number_bytes;
    constexpr int64_t group_elements = lanes / PackedElement::k_pack;
    for (; channels >= lanes; channels -= lanes, numbers += group_bytes, packed += group_elements) {
      for (int64_t i = 0; i < group_bytes; i += 64, next += 64) {
        prefetch_to_l1(next);
      }
      transform_group<number_bytes>(numbers, packed, position_stride, load_numbers);
    }
    if (channels > 0) {
      alignas(64) char rest[group_bytes] = {};
      __builtin_memcpy(rest, numbers, static_cast<std::size_t>(channels * taps * number_bytes));
      transform_group<number_bytes>(rest, packed, position_stride, load_numbers);
    }
  }

  // Transform the weights of a vector of channels.
  template <int64_t number_bytes, typename Load>
  static void transform_group(const char* numbers, Packed* packed, int64_t position_stride,
                              const Load& load_numbers) {
    Vector vectors[taps];
#pragma GCC unroll 9
    for (int64_t i = 0; i < taps; ++i) {
      vectors[i] = load_numbers(numbers + i * lanes * number_bytes);
    }
    Vector sorted[taps];
    TapSorter<F32Lanes>::sort(vectors, sorted);
    Vector lines[3][points];
    for (int64_t y = 0; y < 3; ++y) {
      const Vector line[3] = {sorted[y * 3], sorted[y * 3 + 1], sorted[y * 3 + 2]};
      Transform::transform_weights(line, lines[y]);
    }
    transform_columns(
        lines, &Transform::transform_weights, [&](int64_t x, const Vector(&column)[points]) {
          for (int64_t y = 0; y < points; ++y) {
            PackedElement::store_packed(packed + (y * points + x) * position_stride, column[y]);
          }
        });
  }

  RowReader reader_;
};

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
