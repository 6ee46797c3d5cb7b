#pragma once

// Sorts the weights of convolutions of 3x3 by their nine taps: in a model they lie [channel][tap].

#include "cpu/kernels/simd.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

constexpr int64_t taps = 9;

/// Of nine vectors, as many channels as a vector has lanes. `Lanes` says how many these are,
/// `count`, what an index of one is, `Index`, and how to choose between two vectors' lanes,
/// `blend`, and to bring lanes into an order, `permute`.
///
/// What belongs to tap t lies in lanes (9 channel + t) mod count, no two in the same, so that it is
/// in one vector once each lane has taken its number from the right one: lane i of vector j holds
/// tap (count j + i) mod 9, which is t for j = (t - i) / count, a division mod 9. Hence each lane's
/// numbers go round by -i / count vectors, a power of two at a time, and then into the order of the
/// channels.
template <typename Lanes>
class TapSorter {
 public:
  /// To sorted[tap], channel by channel.
  static void sort(Vector (&vectors)[taps], Vector (&sorted)[taps]) {
    turn<0>(vectors);
    turn<1>(vectors);
    turn<2>(vectors);
    turn<3>(vectors);
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

  // x / count mod 9
  static constexpr int64_t over_count(int64_t x) {
    int64_t quotient = 0;
    while ((Lanes::count * quotient - x) % taps != 0) {
      ++quotient;
    }
    return quotient;
  }

  // The lanes that go 2^bit vectors round.
  static constexpr std::uint32_t lanes_that_turn(int64_t bit) {
    std::uint32_t mask = 0;
    for (int64_t lane = 0; lane < Lanes::count; ++lane) {
      mask |= static_cast<std::uint32_t>(over_count((taps - 1) * lane) >> bit & 1) << lane;
    }
    return mask;
  }

  template <int64_t bit>
  static void turn(Vector (&vectors)[taps]) {
    constexpr std::uint32_t mask = lanes_that_turn(bit);
    Vector turned[taps];
#pragma GCC unroll 9
    for (int64_t i = 0; i < taps; ++i) {
      turned[i] = Lanes::template blend<mask>(vectors[i], vectors[(i + (1 << bit)) % taps]);
    }
#pragma GCC unroll 9
    for (int64_t i = 0; i < taps; ++i) {
      vectors[i] = turned[i];
    }
  }
};

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
