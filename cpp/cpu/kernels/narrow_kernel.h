#pragma once

// A product of many rows of weights with few inputs: each weight serves so seldom that turning it
// into a panel would take as long as multiplying it. Here nothing is turned: numbers that lie side
// by side along the depth are multiplied side by side, and the lanes of a sum are added up at the
// end. A few rows at a time are read as they lie, a chunk after the other. The first inputs meet
// them while they come from memory and are widened, which takes other parts of the CPU than
// multiplying does; the chunk stays in the first cache for the other inputs.

#include "cpu/kernels/pack.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

/// What is multiplied at once: 12 sums of 16 registers, or 24 of 32.
constexpr int64_t narrow_rows = lanes == 8 ? 3 : 6;
constexpr int64_t narrow_inputs = 4;
// Units: 12 KiB of all rows; with BF16, whose inputs are met twice as fast, so few that those of 16
// inputs stay in the first cache, too.
constexpr int64_t narrow_chunk = Units::depth == 1 ? 3072 / narrow_rows : 128;
constexpr int64_t narrow_step = lanes * Units::depth;

/// Up to which number of inputs it is the shorter way. Measured, but for AMX, which multiplies
/// panels faster than this is and has it by calculation. Turning a panel takes AVX-512 less next to
/// adding up lanes, which is done once a depth.
inline int64_t most_narrow([[maybe_unused]] int64_t depth) {
#if GPUSTACK_DRAW_LEVEL == GPUSTACK_DRAW_AMX_BF16
  return 4;
#elif GPUSTACK_DRAW_LEVEL == GPUSTACK_DRAW_AVX2
  return 64;
#else
  return least(32, most(8, depth / 128));
#endif
}

inline int64_t input_units(int64_t depth) { return round_up(depth, narrow_step) / Units::depth; }

inline void pack_input(const float* numbers, int64_t depth, float* units) {
  pack_numbers<lanes, 4>(reinterpret_cast<const char*>(numbers), depth, units,
                         [](const char* p) { return Units::vector_of_f32(p); });
}

/// sums[row][input][lane] (+)= rows * inputs, over whole vectors of units; `weights(row, unit)`
/// gives one.
template <bool accumulate, typename Weights>
inline void multiply_narrow(const Weights& weights, const float* const (&inputs)[narrow_inputs],
                            int64_t units, float* sums) {
  Vector tile[narrow_rows][narrow_inputs];
#pragma GCC unroll 8
  for (int64_t i = 0; i < narrow_rows; ++i) {
#pragma GCC unroll 4
    for (int64_t j = 0; j < narrow_inputs; ++j) {
      tile[i][j] = accumulate ? load(sums + (i * narrow_inputs + j) * lanes) : zero();
    }
  }
  for (int64_t unit = 0; unit < units; unit += lanes) {
    Vector row[narrow_rows];
#pragma GCC unroll 8
    for (int64_t i = 0; i < narrow_rows; ++i) {
      row[i] = weights(i, unit);
    }
#pragma GCC unroll 4
    for (int64_t j = 0; j < narrow_inputs; ++j) {
      const Vector input = load(inputs[j] + unit);
#pragma GCC unroll 8
      for (int64_t i = 0; i < narrow_rows; ++i) {
        tile[i][j] = Units::multiply_add(row[i], input, tile[i][j]);
      }
    }
  }
#pragma GCC unroll 8
  for (int64_t i = 0; i < narrow_rows; ++i) {
#pragma GCC unroll 4
    for (int64_t j = 0; j < narrow_inputs; ++j) {
      store(sums + (i * narrow_inputs + j) * lanes, tile[i][j]);
    }
  }
}

/// A few rows of weights with all inputs. What is past the end of either is computed as well, of
/// the last one again.
class NarrowRows {
 public:
  NarrowRows(const NarrowProduct& product, int64_t row_end, Workspace& workspace)
      : product_(product),
        reader_(product.weights, row_end),
        chunk_(reinterpret_cast<float*>(workspace.panels.take(
            std::size_t{narrow_rows * narrow_chunk * (1 + Units::depth)} * sizeof(float)))),
        numbers_(chunk_ + narrow_rows * narrow_chunk),
        sums_(reinterpret_cast<float*>(workspace.sums.take(
            static_cast<std::size_t>(round_up(product.input_count, narrow_inputs) * narrow_rows *
                                     lanes) *
            sizeof(float)))) {}

  /// The sums of the rows from `row` on.
  void multiply(int64_t row) {
    const int64_t whole = product_.depth / narrow_step * narrow_step;
    int64_t count = 0;
    for (int64_t depth = 0; depth < product_.depth; depth += count) {
      count = depth < whole ? least(narrow_chunk * Units::depth, whole - depth)
                            : product_.depth - whole;
      multiply_chunk(row, depth, count);
    }
  }

  /// The four that rows[row] and the inputs from `input` on make.
  __m128 sums_of(int64_t row, int64_t input) const {
    const float* sums = sums_ + (input * narrow_rows + row * narrow_inputs) * lanes;
    return four_sums(load(sums), load(sums + lanes), load(sums + 2 * lanes),
                     load(sums + 3 * lanes));
  }

 private:
  void multiply_chunk(int64_t row, int64_t depth, int64_t count) {
    const char* rows[narrow_rows];
    for (int64_t i = 0; i < narrow_rows; ++i) {
      rows[i] = reader_.place(row + i, depth);
    }
    switch (reader_.format()) {
      case Format::f32:
        return multiply_rows<4>(rows, depth, count,
                                [](const char* p) { return Units::vector_of_f32(p); });
      case Format::f16:
        return multiply_rows<2>(rows, depth, count,
                                [](const char* p) { return Units::vector_of_f16(p); });
      case Format::bf16:
        return multiply_rows<2>(rows, depth, count,
                                [](const char* p) { return Units::vector_of_bf16(p); });
      default:
        for (int64_t i = 0; i < narrow_rows; ++i) {
          float* numbers = numbers_ + i * narrow_chunk * Units::depth;
          reader_.ask_for(row + i, depth + count, count);
          reader_.dequantise(row + i, depth, count, numbers);
          rows[i] = reinterpret_cast<const char*>(numbers);
        }
        return multiply_rows<4>(rows, depth, count,
                                [](const char* p) { return Units::vector_of_f32(p); });
    }
  }

  // Whole vectors of units, or what is left of one.
  template <int64_t number_bytes, typename Load>
  void multiply_rows(const char* (&rows)[narrow_rows], int64_t depth, int64_t count,
                     const Load& load_units) {
    alignas(64) char rests[narrow_rows][narrow_step * number_bytes];
    if (count < narrow_step) {
      __builtin_memset(rests, 0, sizeof(rests));
      for (int64_t i = 0; i < narrow_rows; ++i) {
        __builtin_memcpy(rests[i], rows[i], static_cast<std::size_t>(count * number_bytes));
        rows[i] = rests[i];
      }
    }
    const int64_t units = input_units(count);
    const int64_t first = least(narrow_inputs, product_.input_count);
    multiply_inputs(0, first, depth, units, [&](int64_t i, int64_t unit) {
      constexpr int64_t ahead = 1024;  // bytes: what the memory needs to be asked for in time
      const char* place = rows[i] + unit * Units::depth * number_bytes;
      _mm_prefetch(place + ahead, _MM_HINT_T0);
      const Vector vector = load_units(place);
      store(chunk_ + i * narrow_chunk + unit, vector);
      return vector;
    });
    multiply_inputs(first, product_.input_count, depth, units, [this](int64_t i, int64_t unit) {
      return load(chunk_ + i * narrow_chunk + unit);
    });
  }

  template <typename Weights>
  void multiply_inputs(int64_t begin, int64_t end, int64_t depth, int64_t units,
                       const Weights& weights) {
    const int64_t stride = input_units(product_.depth);
    for (int64_t input = begin; input < end; input += narrow_inputs) {
      const float* places[narrow_inputs];
      for (int64_t i = 0; i < narrow_inputs; ++i) {
        places[i] = product_.inputs + least(input + i, end - 1) * stride + depth / Units::depth;
      }
      float* sums = sums_ + input * narrow_rows * lanes;
      if (depth > 0) {
        multiply_narrow<true>(weights, places, units, sums);
      } else {
        multiply_narrow<false>(weights, places, units, sums);
      }
    }
  }

  const NarrowProduct& product_;
  RowReader reader_;
  float* chunk_;    ///< [row][unit]
  float* numbers_;  ///< [row][depth], of quantised rows
  float* sums_;     ///< [input / narrow_inputs][row][input % narrow_inputs][lane]
};

inline void narrow_product(const NarrowProduct& product, int64_t row_begin, int64_t row_end,
                           Workspace& workspace) {
  NarrowRows rows(product, row_end, workspace);
  for (int64_t row = row_begin; row < row_end; row += narrow_rows) {
    rows.multiply(row);
    for (int64_t input = 0; input < product.input_count; input += narrow_inputs) {
      for (int64_t i = 0; i < least(narrow_rows, row_end - row); ++i) {
        alignas(16) float sums[narrow_inputs];
        _mm_store_ps(sums, rows.sums_of(i, input));
        for (int64_t j = 0; j < least(narrow_inputs, product.input_count - input); ++j) {
          product.output[(row + i) * product.row_step + (input + j) * product.input_step] = sums[j];
        }
      }
    }
  }
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
