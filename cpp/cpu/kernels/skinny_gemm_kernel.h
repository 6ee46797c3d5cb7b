#pragma once

// Skinny GEMM: many rows of weights times few inputs. Each weight is used so rarely that
// transposing it into a panel would cost as much as multiplying it. So both operands are read along
// k, one vector at a time, and the lanes of each accumulator are added up at the end. A few rows
// are read at a time, kc numbers of each. The first inputs are multiplied while the weights are
// loaded and converted, which uses other execution ports; the converted weights stay in L1 for the
// others.

#include "cpu/kernels/pack.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// A register tile: 12 accumulators in 16 registers, or 24 in 32.
constexpr int64_t skinny_mr = lanes == 8 ? 3 : 6;
constexpr int64_t skinny_nr = 4;
/// Rows that are read at a time. With AVX2 two tiles, so that inputs are read from L2 half as
/// often; elsewhere this was not measured.
constexpr int64_t skinny_rows = skinny_mr * (GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX2 ? 2 : 1);
// Elements of a row: 12 KiB for all rows. In bf16, which multiplies inputs twice as fast, fewer, so
// that 16 inputs also stay in L1.
constexpr int64_t skinny_kc = PackedElement::k_pack == 1 ? 3072 / skinny_rows : 128;
constexpr int64_t skinny_k_step = lanes * PackedElement::k_pack;

/// Return the number of inputs up to which this is faster than packed GEMM: measured, and
/// for AMX and Arm estimated. With AVX-512, packing is cheap compared to adding up lanes, which is
/// done once per row, whatever k.
inline int64_t max_skinny_columns([[maybe_unused]] int64_t k) {
#if GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AMX_BF16
  return 4;
#elif GPUSTACK_DRAW_LANES == 8 && !GPUSTACK_DRAW_PACKS_BF16
  return 64;
#else
  return min(32, max(8, k / 128));
#endif
}

inline int64_t skinny_input_size(int64_t k) {
  return round_up(k, skinny_k_step) / PackedElement::k_pack;
}

inline void pack_skinny_input(const float* numbers, int64_t k, Packed* packed) {
  pack_numbers<lanes, 4>(reinterpret_cast<const char*>(numbers), k, packed,
                         [](const char* p) { return PackedElement::from_f32(p); });
}

/// sums[row][input][lane] (+)= rows * inputs, over whole vectors of elements. `weights(row,
/// element)` returns a vector of a row.
template <bool accumulate, typename Weights>
inline void skinny_micro_kernel(const Weights& weights, const Packed* const (&inputs)[skinny_nr],
                                int64_t elements, float* sums) {
  Vector accumulators[skinny_mr][skinny_nr];
#pragma GCC unroll 8
  for (int64_t i = 0; i < skinny_mr; ++i) {
#pragma GCC unroll 4
    for (int64_t j = 0; j < skinny_nr; ++j) {
      accumulators[i][j] = accumulate ? load(sums + (i * skinny_nr + j) * lanes) : zero();
    }
  }
  for (int64_t element = 0; element < elements; element += lanes) {
    Vector row[skinny_mr];
#pragma GCC unroll 8
    for (int64_t i = 0; i < skinny_mr; ++i) {
      row[i] = weights(i, element);
    }
#pragma GCC unroll 4
    for (int64_t j = 0; j < skinny_nr; ++j) {
      const Vector input = load(inputs[j] + element);
#pragma GCC unroll 8
      for (int64_t i = 0; i < skinny_mr; ++i) {
        accumulators[i][j] = PackedElement::multiply_add(row[i], input, accumulators[i][j]);
      }
    }
  }
#pragma GCC unroll 8
  for (int64_t i = 0; i < skinny_mr; ++i) {
#pragma GCC unroll 4
    for (int64_t j = 0; j < skinny_nr; ++j) {
      store(sums + (i * skinny_nr + j) * lanes, accumulators[i][j]);
    }
  }
}

/// Multiplies skinny_rows rows of weights by all inputs. Past the end of either, the last one is
/// repeated.
class SkinnyRows {
 public:
  SkinnyRows(const SkinnyGemm& gemm, int64_t row_end, Workspace& workspace)
      : gemm_(gemm),
        reader_(gemm.weights, row_end),
        packed_(
            take<Packed>(workspace.panels, skinny_rows * skinny_kc * (1 + PackedElement::k_pack))),
        numbers_(reinterpret_cast<float*>(packed_ + skinny_rows * skinny_kc)),
        sums_(take<float>(workspace.sums,
                          round_up(gemm.input_count, skinny_nr) * skinny_rows * lanes)) {}

  /// Accumulate the rows from `row` on.
  void multiply(int64_t row) {
    const int64_t whole = gemm_.k / skinny_k_step * skinny_k_step;
    int64_t count = 0;
    for (int64_t k = 0; k < gemm_.k; k += count) {
      count = k < whole ? min(skinny_kc * PackedElement::k_pack, whole - k) : gemm_.k - whole;
      multiply_kc(row, k, count);
    }
  }

  /// Return the dot products of a row with four inputs.
  Four reduced(int64_t row, int64_t input) const {
    const float* sums = sums_ + (input * skinny_rows + row * skinny_nr) * lanes;
    return reduce_four(load(sums), load(sums + lanes), load(sums + 2 * lanes),
                       load(sums + 3 * lanes));
  }

 private:
  void multiply_kc(int64_t row, int64_t k, int64_t count) {
    const char* rows[skinny_rows];
    for (int64_t i = 0; i < skinny_rows; ++i) {
      rows[i] = reader_.address(row + i, k);
    }
    switch (reader_.format()) {
      case Format::f32:
        return multiply_rows<4>(rows, k, count,
                                [](const char* p) { return PackedElement::from_f32(p); });
      case Format::f16:
        return multiply_rows<2>(rows, k, count,
                                [](const char* p) { return PackedElement::from_f16(p); });
      case Format::bf16:
        return multiply_rows<2>(rows, k, count,
                                [](const char* p) { return PackedElement::from_bf16(p); });
      default:
        for (int64_t i = 0; i < skinny_rows; ++i) {
          float* numbers = numbers_ + i * skinny_kc * PackedElement::k_pack;
          reader_.prefetch(row + i, k + count, count);
          reader_.dequantize(row + i, k, count, numbers);
          rows[i] = reinterpret_cast<const char*>(numbers);
        }
        return multiply_rows<4>(rows, k, count,
                                [](const char* p) { return PackedElement::from_f32(p); });
    }
  }

  // Whole vectors, or the remainder of one.
  template <int64_t number_bytes, typename Load>
  void multiply_rows(const char* (&rows)[skinny_rows], int64_t k, int64_t count,
                     const Load& load_packed) {
    alignas(64) char rests[skinny_rows][skinny_k_step * number_bytes];
    if (count < skinny_k_step) {
      __builtin_memset(rests, 0, sizeof(rests));
      for (int64_t i = 0; i < skinny_rows; ++i) {
        __builtin_memcpy(rests[i], rows[i], static_cast<std::size_t>(count * number_bytes));
        rows[i] = rests[i];
      }
    }
    const int64_t elements = skinny_input_size(count);
    multiply_inputs(0, k, elements, [&](int64_t i, int64_t element) {
      constexpr int64_t prefetch_distance = 1024;  // bytes
      const char* address = rows[i] + element * PackedElement::k_pack * number_bytes;
      prefetch_to_l1(address + prefetch_distance);
      const Vector vector = load_packed(address);
      store(packed_ + i * skinny_kc + element, vector);
      return vector;
    });
    for (int64_t input = skinny_nr; input < gemm_.input_count; input += skinny_nr) {
      multiply_inputs(input, k, elements, [this](int64_t i, int64_t element) {
        return load(packed_ + i * skinny_kc + element);
      });
    }
  }

  // Multiply all rows by skinny_nr inputs.
  template <typename Weights>
  void multiply_inputs(int64_t input, int64_t k, int64_t elements, const Weights& weights) {
    const int64_t stride = skinny_input_size(gemm_.k);
    const Packed* addresses[skinny_nr];
    for (int64_t i = 0; i < skinny_nr; ++i) {
      addresses[i] =
          gemm_.inputs + min(input + i, gemm_.input_count - 1) * stride + k / PackedElement::k_pack;
    }
    for (int64_t row = 0; row < skinny_rows; row += skinny_mr) {
      const auto weights_of_tile = [&](int64_t i, int64_t element) {
        return weights(row + i, element);
      };
      float* sums = sums_ + (input * skinny_rows + row * skinny_nr) * lanes;
      if (k > 0) {
        skinny_micro_kernel<true>(weights_of_tile, addresses, elements, sums);
      } else {
        skinny_micro_kernel<false>(weights_of_tile, addresses, elements, sums);
      }
    }
  }

  const SkinnyGemm& gemm_;
  RowReader reader_;
  Packed* packed_;  ///< [row][element]
  float* numbers_;  ///< [row][k], dequantized
  float* sums_;     ///< [input / skinny_nr][row][input % skinny_nr][lane]
};

inline void skinny_gemm(const SkinnyGemm& gemm, int64_t row_begin, int64_t row_end,
                        Workspace& workspace) {
  SkinnyRows rows(gemm, row_end, workspace);
  for (int64_t row = row_begin; row < row_end; row += skinny_rows) {
    rows.multiply(row);
    for (int64_t input = 0; input < gemm.input_count; input += skinny_nr) {
      for (int64_t i = 0; i < min(skinny_rows, row_end - row); ++i) {
        alignas(16) float sums[skinny_nr];
        store_four(sums, rows.reduced(i, input));
        for (int64_t j = 0; j < min(skinny_nr, gemm.input_count - input); ++j) {
          gemm.output[(row + i) * gemm.row_step + (input + j) * gemm.input_step] = sums[j];
        }
      }
    }
  }
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
