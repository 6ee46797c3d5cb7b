#pragma once

// Winograd convolution of few tiles, as in the lowest levels of UNets. A panel would be mostly
// empty, and transformed weights are used too rarely to be worth writing to L2. So the products are
// skinny GEMMs, one per position: weights and input are read along the channels, and the lanes of
// each sum are added up at the end.

#include "cpu/kernels/skinny_gemm_kernel.h"
#include "cpu/kernels/winograd_output.h"
#include "cpu/kernels/winograd_weights.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// Tiles up to which this is faster than panels; 0 on targets for which it was not measured.
constexpr int64_t max_skinny_tiles = GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX2 ? skinny_nr : 0;

template <typename Transform>
class SkinnyWinograd {
 public:
  SkinnyWinograd(const Convolution& convolution, const WinogradTiles& tiles)
      : c_(convolution), tiles_(tiles), picture_(convolution, tiles) {}

  int64_t input_size() const { return ceil_div(c_.input_channels, chunk) * chunk_size; }

  /// Transform the input of all tiles for some channels.
  void transform_input(int64_t channel_begin, int64_t channel_end) const {
    const WinogradInputPacker<Transform> packer(c_, tiles_, 0);
    for (int64_t channel = channel_begin; channel < channel_end; ++channel) {
      packer.transform_eight(channel, 0, [&](int64_t position, Vector8 x) {
        alignas(32) float numbers[8];
        store_eight(numbers, x);
        put(position, channel, numbers);
      });
    }
    if (channel_end == c_.input_channels) {
      constexpr float zeros[skinny_nr] = {};
      for (int64_t channel = channel_end; channel % lanes != 0; ++channel) {
        for (int64_t position = 0; position < positions; ++position) {
          put(position, channel, zeros);
        }
      }
    }
  }

  /// Compute output channels [begin, end).
  void convolve(int64_t begin, int64_t end, Workspace& workspace) const {
    constexpr int64_t sums_size = positions * sum_stride;
    auto* sums = take<float>(workspace.sums, sums_size + positions * skinny_mr * chunk);
    auto* packed = reinterpret_cast<Packed*>(sums + sums_size);
    const WinogradWeights<Transform> weights(c_, end);
    for (int64_t row = begin; row < end; row += skinny_mr) {
      for (int64_t channel = 0; channel < c_.input_channels; channel += chunk) {
        const int64_t channels = min(chunk, c_.input_channels - channel);
        const bool is_last = channel + channels == c_.input_channels;
        for (int64_t i = 0; i < skinny_mr; ++i) {
          const char* next = is_last ? weights.address(row + i + skinny_mr, 0)
                                     : weights.address(row + i, channel + chunk);
          weights.run(row + i, channel, channels, next, packed + i * chunk, skinny_mr * chunk);
        }
        if (channel == 0) {
          multiply<false>(channel, channels, packed, sums);
        } else {
          multiply<true>(channel, channels, packed, sums);
        }
      }
      for (int64_t i = 0; i < min(skinny_mr, end - row); ++i) {
        store_winograd_tiles(c_, picture_, row + i, 0, tiles_.count, [&](int64_t position) {
          const float* lanes_of = sums + position * sum_stride + i * skinny_nr * lanes;
          return join(reduce_four(load(lanes_of), load(lanes_of + lanes),
                                  load(lanes_of + 2 * lanes), load(lanes_of + 3 * lanes)),
                      zero_four());
        });
      }
    }
  }

 private:
  static constexpr int64_t positions = WinogradInput<Transform>::positions;
  /// Input channels at a time. More need fewer loads of the sums, but do not stay in L1: measured.
  static constexpr int64_t chunk = 64;
  static constexpr int64_t chunk_size = positions * skinny_nr * chunk;
  static constexpr int64_t sum_stride = skinny_mr * skinny_nr * lanes;

  // Transformed input of a chunk of channels at a position: [tile][channel].
  Packed* input(int64_t position, int64_t channel) const {
    return tiles_.input + channel / chunk * chunk_size + position * skinny_nr * chunk;
  }

  void put(int64_t position, int64_t channel, const float* numbers) const {
    for (int64_t tile = 0; tile < skinny_nr; ++tile) {
      input(position, channel)[tile * chunk + channel % chunk].bits = numbers[tile];
    }
  }

  template <bool accumulate>
  void multiply(int64_t channel, int64_t channels, const Packed* packed, float* sums) const {
    for (int64_t position = 0; position < positions; ++position) {
      const Packed* first = input(position, channel);
      const Packed* const inputs[skinny_nr] = {first, first + chunk, first + 2 * chunk,
                                               first + 3 * chunk};
      skinny_micro_kernel<accumulate>(
          [&](int64_t row, int64_t element) { return load(packed + row * chunk + element); },
          inputs, round_up(channels, lanes), sums);
      packed += skinny_mr * chunk;
      sums += sum_stride;
    }
  }

  const Convolution& c_;
  const WinogradTiles& tiles_;
  WinogradInput<Transform> picture_;
};

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
