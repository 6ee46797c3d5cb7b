#pragma once

// GEMM of quantized weights with inputs rounded to 8 bits. Integers of a block of 32 numbers along
// k are multiplied and added exactly; their sum times both scales is added in f32, to accumulators
// that stay in L1. Panels of weights are packed as in gemm_block.h; inputs were packed before.

#include "cpu/kernels/int8_pack.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

#if GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX2
/// Integer sums of a register tile. Half the registers are needed for sums of 16 bits.
constexpr int64_t int8_mr = 4;
#else
constexpr int64_t int8_mr = lanes == 8 ? 6 : 8;
#endif
// A panel of weights takes 16 to 20 KiB.
template <typename Layout>
constexpr int64_t int8_kc = 16384 / nr * 8 / Layout::lines;
constexpr BlockLimits int8_limits{240, 192, 48, 48};

/// Add products of unsigned bytes of weights with signed ones of an input, or of 16-bit integers.
template <typename Layout>
inline Integers multiply_add_bytes(Integers sum, Integers weights, Integers input) {
#if GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX2
  if constexpr (Layout::is_wide) {
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(weights, input));
  } else {
    sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(weights, input));
  }
  // Otherwise gcc reorders the additions of several lines, and spills what it adds later.
  __asm__("" : "+x"(sum));
  return sum;
#elif GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX_VNNI
  return _mm256_dpbusd_avx_epi32(sum, weights, input);
#else
  return _mm512_dpbusd_epi32(sum, weights, input);
#endif
}

inline Integers broadcast_element(const Packed* p) {
  std::int32_t bits = 0;
  __builtin_memcpy(&bits, p, sizeof(bits));
  return broadcast_int(bits);
}

inline Integers load_integers(const Packed* p) {
  return load(reinterpret_cast<const std::int32_t*>(p));
}

/// A register tile of integer sums.
using Int8Sums = Integers[int8_mr][nr_vectors];

/// Add the products of lines [begin, end) of a block.
template <typename Layout>
__attribute__((always_inline)) inline void add_lines(const Packed* inputs, const Packed* weights,
                                                     int64_t begin, int64_t end, Int8Sums& sums) {
#pragma GCC unroll 16
  for (int64_t line = begin; line < end; ++line) {
    Integers columns[nr_vectors];
#pragma GCC unroll 2
    for (int64_t j = 0; j < nr_vectors; ++j) {
      columns[j] = load_integers(weights + line * nr + j * lanes);
    }
#pragma GCC unroll 8
    for (int64_t i = 0; i < int8_mr; ++i) {
      const Integers input = broadcast_element(inputs + i * Layout::a_block + line);
#pragma GCC unroll 2
      for (int64_t j = 0; j < nr_vectors; ++j) {
        sums[i][j] = multiply_add_bytes<Layout>(sums[i][j], columns[j], input);
      }
    }
  }
}

/// Set the sums to first(i), the same for all columns of a row.
template <typename First>
__attribute__((always_inline)) inline void set_rows(Int8Sums& sums, const First& first) {
#pragma GCC unroll 8
  for (int64_t i = 0; i < int8_mr; ++i) {
    const Integers row = first(i);
#pragma GCC unroll 2
    for (int64_t j = 0; j < nr_vectors; ++j) {
      sums[i][j] = row;
    }
  }
}

/// Compute the integer sums of the lines of scale `s` of a block.
template <typename Layout>
__attribute__((always_inline)) inline void multiply_block(const Packed* inputs,
                                                          const Packed* weights, int64_t s,
                                                          Int8Sums& sums) {
  constexpr int64_t lines = Layout::lines / Layout::scales;
  set_rows(sums, [&](int64_t i) {
    return Layout::has_offset
               ? broadcast_int(0)
               : broadcast_element(inputs + i * Layout::a_block + Layout::lines + 1 + s);
  });
#if GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AVX2
  if constexpr (!Layout::is_wide) {
    // Sums of 16 bits, of as many lines as cannot overflow.
    constexpr int64_t step = min(lines, int64_t{128 >> Layout::bits});
#pragma GCC unroll 4
    for (int64_t line = s * lines; line < (s + 1) * lines; line += step) {
      Int8Sums short_sums;
      set_rows(short_sums, [](int64_t) { return broadcast_int(0); });
      add_lines<Layout>(inputs, weights, line, line + step, short_sums);
#pragma GCC unroll 8
      for (int64_t i = 0; i < int8_mr; ++i) {
#pragma GCC unroll 2
        for (int64_t j = 0; j < nr_vectors; ++j) {
          sums[i][j] = add(sums[i][j], _mm256_madd_epi16(short_sums[i][j], _mm256_set1_epi16(1)));
        }
      }
    }
    return;
  }
#endif
  add_lines<Layout>(inputs, weights, s * lines, (s + 1) * lines, sums);
}

/// Add the products of int8_mr inputs with nr rows of weights, over `blocks` blocks, to a tile.
///
/// Not inlined, as vector_micro_kernel.
template <typename Layout>
__attribute__((noinline)) void int8_micro_kernel(int64_t blocks, const Packed* inputs,
                                                 const Packed* weights, StridedTile tile) {
  for (int64_t block = 0; block < blocks; ++block) {
#pragma GCC unroll 2
    for (int64_t s = 0; s < Layout::scales; ++s) {
      Int8Sums sums;
      multiply_block<Layout>(inputs, weights, s, sums);
      const Packed* scales = weights + (Layout::lines + s) * nr;
#pragma GCC unroll 8
      for (int64_t i = 0; i < int8_mr; ++i) {
        const Packed* factors = inputs + i * Layout::a_block + Layout::lines;
        float* to = tile.data + i * tile.stride;
#pragma GCC unroll 2
        for (int64_t j = 0; j < nr_vectors; ++j) {
          Vector sum = load(to + j * lanes);
          if constexpr (Layout::has_offset) {
            sum = multiply_add(load(scales + nr + j * lanes), broadcast(factors[1].bits), sum);
          }
          const Vector product = multiply(to_floats(sums[i][j]), load(scales + j * lanes));
          store(to + j * lanes, multiply_add(product, broadcast(factors[0].bits), sum));
        }
      }
    }
    inputs += int8_mr * Layout::a_block;
    weights += Layout::b_block;
  }
}

template <typename Format>
void int8_gemm_block(const Int8Gemm& gemm, const Block& block, Workspace& workspace) {
  const int64_t rows = block.row_end - block.row_begin;
  const int64_t columns = block.column_end - block.column_begin;
  const int64_t tiles = ceil_div(rows, int8_mr);
  const int64_t stride = round_up(columns, nr);
  const StridedTile sums{take<float>(workspace.sums, tiles * int8_mr * stride), stride};
  __builtin_memset(sums.data, 0,
                   static_cast<std::size_t>(tiles * int8_mr * stride) * sizeof(float));
  auto* panel = take<Packed>(workspace.panels, int8_kc<Format> / int8_block * Format::b_block);
  const RowReader weights(gemm.weights, block.column_end);
  const int64_t input_step = gemm.k / int8_block * Format::a_block;
  for (int64_t k = 0; k < gemm.k; k += int8_kc<Format>) {
    const int64_t count = min(int8_kc<Format>, gemm.k - k);
    const Packed* inputs =
        gemm.inputs + block.row_begin * input_step + k / int8_block * int8_mr * Format::a_block;
    for (int64_t j = 0; j < columns; j += nr) {
      for (int64_t i = 0; i < count; i += int8_block) {
        pack_int8_weights<Format>(weights, block.column_begin + j, k + i,
                                  (k + i) % gemm.weights.block_size / int8_block,
                                  panel + i / int8_block * Format::b_block);
      }
      const bool is_last = j + nr >= columns;
      const int64_t next_k = is_last ? k + count : k;
      const int64_t next = block.column_begin + (is_last ? 0 : j + nr);
      Prefetcher prefetcher(weights, next, min(next + nr, block.column_end), next_k,
                            min(int8_kc<Format>, gemm.k - next_k), tiles);
      for (int64_t i = 0; i < tiles * int8_mr; i += int8_mr) {
        prefetcher.prefetch();
        int8_micro_kernel<Format>(count / int8_block, inputs + i * input_step, panel,
                                  sums.at(i, j));
      }
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    __builtin_memcpy(gemm.output + (block.row_begin + i) * gemm.output_stride + block.column_begin,
                     sums.at(i, 0).data, static_cast<std::size_t>(columns) * sizeof(float));
  }
}

inline bool supports_int8(Format format) {
  return with_int8_format(format, [](auto /*type*/) {});
}

inline int64_t int8_input_size(Format format, int64_t k) {
  int64_t size = 0;
  with_int8_format(format, [&](auto type) { size = k / int8_block * decltype(type)::a_block; });
  return size;
}

inline void pack_int8_input(Format format, const float* numbers, int64_t k, int64_t input,
                            Packed* inputs) {
  with_int8_format(format, [&](auto type) {
    constexpr int64_t a_block = decltype(type)::a_block;
    Packed* tile = inputs + input / int8_mr * int8_mr * (k / int8_block * a_block);
    for (int64_t i = 0; i < k / int8_block; ++i) {
      pack_int8_block<decltype(type)>(numbers + i * int8_block,
                                      tile + (i * int8_mr + input % int8_mr) * a_block);
    }
  });
}

inline void int8_gemm(const Int8Gemm& gemm, const Block& block, Workspace& workspace) {
  with_int8_format(gemm.weights.format,
                   [&](auto type) { int8_gemm_block<decltype(type)>(gemm, block, workspace); });
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
