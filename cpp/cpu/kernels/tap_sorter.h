#pragma once

// Sorts the weights of 3x3 convolutions by tap: models store them as [channel][tap].

#include "cpu/kernels/simd.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

constexpr int64_t taps = 9;

/// Sorts nine vectors: the weights of as many channels as a vector has lanes. `Lanes` defines the
/// number of lanes, `count`; the type of a lane index, `Index`; and `blend` and `permute`.
///
/// The weights of tap t are in lanes (9 channel + t) mod count, all different, so one vector can
/// hold them once each lane has been taken from the right vector. Lane i of vector j holds tap
/// (count j + i) mod 9, which is t for j = (t - i) / count, a division modulo 9. So each lane is
/// rotated by -i / count vectors, one power of two at a time, and the lanes are then permuted into
/// the order of the channels.
template <typename Lanes>
class TapSorter {
 public:
  /// Sort into sorted[tap], channel by channel.
  static void sort(Vector (&vectors)[taps], Vector (&sorted)[taps]) {
    rotate<0>(vectors);
    rotate<1>(vectors);
    rotate<2>(vectors);
    rotate<3>(vectors);
#pragma GCC unroll 9
    for (int64_t tap = 0; tap < taps; ++tap) {
      sorted[tap] = Lanes::permute(orders.lanes[tap], vectors[over_count(tap)]);
    }
  }

 private:
  struct Orders {
    typename Lanes::Index lanes[taps][Lanes::count] = {};

    constexpr Orders() {
      for (int64_t tap = 0; tap < taps; ++tap) {
        for (int64_t channel = 0; channel < Lanes::count; ++channel) {
          lanes[tap][channel] =
              static_cast<typename Lanes::Index>((taps * channel + tap) % Lanes::count);
        }
      }
    }
  };
  static constexpr Orders orders{};

  // x / count modulo 9
  static constexpr int64_t over_count(int64_t x) {
    int64_t quotient = 0;
    while ((Lanes::count * quotient - x) % taps != 0) {
      ++quotient;
    }
    return quotient;
  }

  // The lanes that rotate by 2^bit vectors.
  static constexpr std::uint32_t rotated_lanes(int64_t bit) {
    std::uint32_t mask = 0;
    for (int64_t lane = 0; lane < Lanes::count; ++lane) {
      mask |= static_cast<std::uint32_t>(over_count((taps - 1) * lane) >> bit & 1) << lane;
    }
    return mask;
  }

  template <int64_t bit>
  static void rotate(Vector (&vectors)[taps]) {
    constexpr std::uint32_t mask = rotated_lanes(bit);
    Vector rotated[taps];
#pragma GCC unroll 9
    for (int64_t i = 0; i < taps; ++i) {
      rotated[i] = Lanes::template blend<mask>(vectors[i], vectors[(i + (1 << bit)) % taps]);
    }
#pragma GCC unroll 9
    for (int64_t i = 0; i < taps; ++i) {
      vectors[i] = rotated[i];
    }
  }
};

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
