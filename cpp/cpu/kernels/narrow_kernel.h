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
constexpr int64_t narrow_chunk = 3072 / narrow_rows;  // 12 KiB of all rows

/// Up to which number of inputs it is the shorter way: measured with AVX2. BF16 and AMX multiply
/// panels faster than this is and have it by calculation.
#if GPUSTACK_DRAW_LEVEL <= GPUSTACK_DRAW_AVX512
constexpr int64_t most_narrow = 64;
#else
constexpr int64_t most_narrow = GPUSTACK_DRAW_LEVEL == GPUSTACK_DRAW_AMX_BF16 ? 4 : 16;
#endif

/// sums[row][input][lane] (+)= rows * inputs, over whole vectors of the depth; `weights(row,
/// depth)` and `load_input(place)` give one.
template <bool accumulate, typename Weights, typename LoadInput>
inline void multiply_narrow(const Weights& weights, const float* const (&inputs)[narrow_inputs],
                            const LoadInput& load_input, int64_t count, float* sums) {
  Vector tile[narrow_rows][narrow_inputs];
#pragma GCC unroll 8
  for (int64_t i = 0; i < narrow_rows; ++i) {
#pragma GCC unroll 4
    for (int64_t j = 0; j < narrow_inputs; ++j) {
      tile[i][j] = accumulate ? load(sums + (i * narrow_inputs + j) * lanes) : zero();
    }
  }
  for (int64_t depth = 0; depth < count; depth += lanes) {
    Vector row[narrow_rows];
#pragma GCC unroll 8
    for (int64_t i = 0; i < narrow_rows; ++i) {
      row[i] = weights(i, depth);
    }
#pragma GCC unroll 4
    for (int64_t j = 0; j < narrow_inputs; ++j) {
      const Vector input = load_input(inputs[j] + depth);
#pragma GCC unroll 8
      for (int64_t i = 0; i < narrow_rows; ++i) {
        tile[i][j] = multiply_add(row[i], input, tile[i][j]);
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
        chunk_(reinterpret_cast<float*>(
            workspace.panels.take(std::size_t{narrow_rows * narrow_chunk} * sizeof(float)))),
        sums_(reinterpret_cast<float*>(workspace.sums.take(
            static_cast<std::size_t>(round_up(product.input_count, narrow_inputs) * narrow_rows *
                                     lanes) *
            sizeof(float)))) {}

  /// The sums of the rows from `row` on.
  void multiply(int64_t row) {
    const int64_t whole = product_.depth / lanes * lanes;
    int64_t count = 0;
    for (int64_t depth = 0; depth < product_.depth; depth += count) {
      count = depth < whole ? least(narrow_chunk, whole - depth) : product_.depth - whole;
      multiply_chunk(row, depth, count);
    }
  }

  /// The four that rows[row] and the inputs from `input` on make.
  __m128 sums_of(int64_t row, int64_t input) const {
    const float* sums = sums_ + (input * narrow_rows + row * narrow_inputs) * lanes;
    __m128 fours[narrow_inputs];
    for (int64_t i = 0; i < narrow_inputs; ++i, sums += lanes) {
      fours[i] = _mm_loadu_ps(sums);
      for (int64_t j = 4; j < lanes; j += 4) {
        fours[i] = _mm_add_ps(fours[i], _mm_loadu_ps(sums + j));
      }
    }
    return _mm_hadd_ps(_mm_hadd_ps(fours[0], fours[1]), _mm_hadd_ps(fours[2], fours[3]));
  }

 private:
  auto kept_numbers() const {
    return [this](int64_t i, int64_t at) { return load(chunk_ + i * narrow_chunk + at); };
  }

  void multiply_chunk(int64_t row, int64_t depth, int64_t count) {
    const char* rows[narrow_rows];
    for (int64_t i = 0; i < narrow_rows; ++i) {
      rows[i] = reader_.place(row + i, depth);
    }
    switch (reader_.format()) {
      case Format::f32:
        return multiply_rows<4>(rows, depth, count, load_f32);
      case Format::f16:
        return multiply_rows<2>(rows, depth, count, [](const char* p) { return load_f16(p); });
      case Format::bf16:
        return multiply_rows<2>(rows, depth, count, [](const char* p) { return load_bf16(p); });
      default:
        for (int64_t i = 0; i < narrow_rows; ++i) {
          reader_.ask_for(row + i, depth + count, count);
          reader_.dequantise(row + i, depth, count, chunk_ + i * narrow_chunk);
        }
        return multiply_inputs(0, product_.input_count, depth, count, kept_numbers(), whole_vector);
    }
  }

  static Vector whole_vector(const float* p) { return load(p); }
  static Vector load_f32(const char* p) { return load(reinterpret_cast<const float*>(p)); }

  // Whole vectors of the depth, or what is left of one.
  template <int64_t number_bytes, typename Load>
  void multiply_rows(const char* const (&rows)[narrow_rows], int64_t depth, int64_t count,
                     const Load& load_numbers) {
    if (count < lanes) {
      Vector rest[narrow_rows];
      for (int64_t i = 0; i < narrow_rows; ++i) {
        alignas(64) char numbers[lanes * number_bytes] = {};
        __builtin_memcpy(numbers, rows[i], static_cast<std::size_t>(count * number_bytes));
        rest[i] = load_numbers(numbers);
      }
      return multiply_inputs(
          0, product_.input_count, depth, count,
          [&](int64_t i, int64_t /*depth*/) { return rest[i]; },
          [=](const float* p) { return load_part(p, 0, count); });
    }
    const int64_t first = least(narrow_inputs, product_.input_count);
    multiply_inputs(
        0, first, depth, count,
        [&](int64_t i, int64_t at) {
          constexpr int64_t ahead = 1024;  // bytes: what the memory needs to be asked for in time
          const char* place = rows[i] + at * number_bytes;
          _mm_prefetch(place + ahead, _MM_HINT_T0);
          const Vector numbers = load_numbers(place);
          store(chunk_ + i * narrow_chunk + at, numbers);
          return numbers;
        },
        whole_vector);
    multiply_inputs(first, product_.input_count, depth, count, kept_numbers(), whole_vector);
  }

  template <typename Weights, typename LoadInput>
  void multiply_inputs(int64_t begin, int64_t end, int64_t depth, int64_t count,
                       const Weights& weights, const LoadInput& load_input) {
    for (int64_t input = begin; input < end; input += narrow_inputs) {
      const float* places[narrow_inputs];
      for (int64_t i = 0; i < narrow_inputs; ++i) {
        places[i] = product_.inputs + least(input + i, end - 1) * product_.input_stride + depth;
      }
      float* sums = sums_ + input * narrow_rows * lanes;
      if (depth > 0) {
        multiply_narrow<true>(weights, places, load_input, count, sums);
      } else {
        multiply_narrow<false>(weights, places, load_input, count, sums);
      }
    }
  }

  const NarrowProduct& product_;
  RowReader reader_;
  float* chunk_;  ///< [row][depth]
  float* sums_;   ///< [input / narrow_inputs][row][input % narrow_inputs][lane]
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
