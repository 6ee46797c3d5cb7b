#pragma once

// Winograd convolution for 3x3 kernels: Lavin and Gray, "Fast algorithms for convolutional neural
// networks", arXiv:1509.09308.
//
// The output is cut into tiles of tile_size x tile_size pixels, each of which depends on
// (tile_size + 2)^2 input pixels. Input and weights are transformed into bases of as many positions
// in which convolution is an element-wise product; summed over channels this is one GEMM per
// position. Tiles of 4x4 take 36 multiplications instead of 144, tiles of 2x2 take 16 instead
// of 36. The transforms cost a few bits of precision, which f32 can spare and bf16 cannot. For
// inputs that were upsampled 2x (nearest), 25 multiplications suffice, also in bf16.
//
// First all threads transform the input of many tiles, once for all output channels. Then each
// thread computes blocks of output channels and tiles: transform the weights of a chunk of input
// channels, multiply, and finally transform the output.

#include "cpu/kernels/skinny_winograd_kernel.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// The weights of a channel chunk and the accumulators of a block fit in L2. Rows fill whole
/// register tiles, tall ones too.
constexpr BlockLimits winograd_limits =
    lanes == 8 ? BlockLimits{24, 64, 24, 16, 32} : BlockLimits{32, 64, 32, 16, 32};

/// A block of output channels (rows, at most max_rows) and tiles (columns).
template <typename Transform>
class WinogradBlock {
 public:
  static constexpr int64_t max_rows = winograd_limits.max_rows;
  static_assert(max_rows % mr == 0);

  WinogradBlock(const Convolution& convolution, const WinogradTiles& tiles, const Block& block,
                Workspace& workspace)
      : c_(convolution),
        input_(convolution, tiles),
        block_(block),
        tile_step_(round_up(columns(), nr)) {
    constexpr int64_t weights_size = positions * weight_stride;
    sums_ = take<float>(workspace.sums, weights_size + positions * sum_stride());
    weights_ = reinterpret_cast<Packed*>(sums_ + positions * sum_stride());
  }

  void run() const {
    for (int64_t channel = 0; channel < c_.input_channels; channel += channel_chunk) {
      const int64_t channels = min(channel_chunk, c_.input_channels - channel);
      transform_weights(channel, channels);
      if (channel == 0) {
        multiply_positions<false>(channel, channels);
      } else {
        multiply_positions<true>(channel, channels);
      }
    }
    for (int64_t i = 0; i < rows(); ++i) {
      transform_output(i);
    }
  }

 private:
  using PackedElement = typename Transform::PackedElement;
  static constexpr int64_t tile_size = WinogradInput<Transform>::tile_size;
  static constexpr int64_t points = Transform::points;
  static constexpr int64_t positions = WinogradInput<Transform>::positions;
  static constexpr int64_t channel_chunk = 64;
  // Elements from one row of weights to the next, padded so that rows use different cache sets.
  static constexpr int64_t weight_row = channel_chunk / PackedElement::k_pack + 16;
  static constexpr int64_t weight_stride = weight_row * max_rows + 16;

  int64_t rows() const { return block_.row_end - block_.row_begin; }
  int64_t columns() const { return block_.column_end - block_.column_begin; }
  int64_t sum_stride() const { return max_rows * tile_step_ + 16; }
  Packed* weights(int64_t position) const { return weights_ + position * weight_stride; }
  float* sums(int64_t position, int64_t row) const {
    return sums_ + position * sum_stride() + row * tile_step_;
  }

  void transform_weights(int64_t channel, int64_t channels) const {
    const WinogradWeights<Transform> transform(c_, block_.row_end);
    for (int64_t row = 0; row < round_up(rows(), mr); ++row) {
      const int64_t from = block_.row_begin + row;
      transform.run(from, channel, channels, transform.address(from + 2, channel),
                    weights(0) + row * weight_row, weight_stride);
    }
  }

  template <bool accumulate>
  void multiply_positions(int64_t channel, int64_t channels) const {
    const int64_t panel = block_.column_begin / nr;
    const int64_t element = channel / PackedElement::k_pack;
    const int64_t elements = ceil_div(channels, PackedElement::k_pack);
    for (int64_t position = 0; position < positions; ++position) {
      for (int64_t tile = 0; tile < columns(); tile += nr) {
        const Packed* input = input_.input(position, panel + tile / nr) + element * nr;
        for_tiles(
            rows(), min(nr, columns() - tile), micro_kernel<accumulate, PackedElement, weight_row>,
            tall_micro_kernel<accumulate, PackedElement, weight_row>,
            [&](const auto& kernel, int64_t row, int64_t /*rows*/) {
              const StridedTile sums_tile{sums(position, row) + tile, tile_step_};
              kernel(elements, weights(position) + row * weight_row, input, sums_tile, sums_tile);
            });
      }
    }
  }

  void transform_output(int64_t row) const {
    for (int64_t tile = 0; tile < columns(); tile += 8) {
      store_winograd_tiles(
          c_, input_, block_.row_begin + row, block_.column_begin + tile, block_.column_end,
          [&](int64_t position) { return load_eight(sums(position, row) + tile); });
    }
  }

  const Convolution& c_;
  WinogradInput<Transform> input_;
  const Block& block_;
  int64_t tile_step_;  ///< Accumulators from one row to the next.
  float* sums_;        ///< [position][row][tile]
  Packed* weights_;    ///< [position][row][element of channels]
};

/// Call a function with the transform that these tiles use.
template <typename Function>
inline auto with_transform(const Convolution& convolution, const WinogradTiles& tiles,
                           const Function& function) {
  if (convolution.upsamples_input) {
    return function(WinogradUpsampledF4x4());
  }
  return tiles.tile_size == WinogradF4x4::tile_size ? function(WinogradF4x4())
                                                    : function(WinogradF2x2());
}

inline int64_t winograd_input_size(const Convolution& convolution, const WinogradTiles& tiles) {
  return with_transform(convolution, tiles, [&](auto transform) {
    if constexpr (max_skinny_tiles > 0) {
      if (tiles.count <= max_skinny_tiles) {
        return SkinnyWinograd<decltype(transform)>(convolution, tiles).input_size();
      }
    }
    return WinogradInput<decltype(transform)>(convolution, tiles).input_size();
  });
}

inline void winograd_transform_input(const Convolution& convolution, const WinogradTiles& tiles,
                                     int64_t panel, int64_t channel_begin, int64_t channel_end) {
  with_transform(convolution, tiles, [&](auto transform) {
    if constexpr (max_skinny_tiles > 0) {
      if (tiles.count <= max_skinny_tiles) {
        return SkinnyWinograd<decltype(transform)>(convolution, tiles)
            .transform_input(channel_begin, channel_end);
      }
    }
    WinogradInputPacker<decltype(transform)>(convolution, tiles, panel)
        .run(channel_begin, channel_end);
  });
}

inline void winograd_convolution(const Convolution& convolution, const WinogradTiles& tiles,
                                 const Block& block, Workspace& workspace) {
  with_transform(convolution, tiles, [&](auto transform) {
    if constexpr (max_skinny_tiles > 0) {
      if (tiles.count <= max_skinny_tiles) {
        return SkinnyWinograd<decltype(transform)>(convolution, tiles)
            .convolve(block.row_begin, block.row_end, workspace);
      }
    }
    WinogradBlock<decltype(transform)>(convolution, tiles, block, workspace).run();
  });
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
