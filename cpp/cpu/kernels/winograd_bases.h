#pragma once

// The bases of Winograd's convolutions, one line of a tile at a time, for eight tiles (or a vector
// of channels' weights) side by side. A tile of the output and its input, of which it needs a rim
// of one, or its kernel: transformed along its lines, then along its columns. The formulas are
// those of Lavin and Gray, arXiv:1509.09308, section 4.

#include "cpu/kernels/units.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

/// Eight tiles at one place.
using Eight = __m256;

inline Eight times(float a, Eight x) { return _mm256_mul_ps(_mm256_set1_ps(a), x); }
inline Eight plus(Eight a, Eight b) { return _mm256_add_ps(a, b); }
inline Eight minus(Eight a, Eight b) { return _mm256_sub_ps(a, b); }
/// a * x + b
inline Eight add_times(float a, Eight x, Eight b) {
  return _mm256_fmadd_ps(_mm256_set1_ps(a), x, b);
}

#if GPUSTACK_DRAW_LEVEL != GPUSTACK_DRAW_AVX2
inline Vector times(float a, Vector x) { return multiply(all(a), x); }
inline Vector plus(Vector a, Vector b) { return add(a, b); }
inline Vector minus(Vector a, Vector b) { return subtract(a, b); }
inline Vector add_times(float a, Vector x, Vector b) { return multiply_add(all(a), x, b); }
#endif

/// For tiles of 4x4. The points are 0, 1, -1, 2, -2.
struct TilesOfFour {
  using Units = Numbers;
  static constexpr int64_t side = 4;
  static constexpr int64_t pixels = 6;  ///< Of the input, in each direction.
  static constexpr int64_t points = 6;  ///< And what they become.
  static constexpr int64_t enlargement = 1;

  static void transform_input(const Eight (&d)[6], Eight (&t)[6]) {
    const Eight a = add_times(-4, d[2], d[4]);
    const Eight b = add_times(-4, d[1], d[3]);
    const Eight c = minus(d[4], d[2]);
    const Eight e = times(2, minus(d[3], d[1]));
    t[0] = add_times(4, d[0], add_times(-5, d[2], d[4]));
    t[1] = plus(a, b);
    t[2] = minus(a, b);
    t[3] = plus(c, e);
    t[4] = minus(c, e);
    t[5] = add_times(4, d[1], add_times(-5, d[3], d[5]));
  }

  static void transform_weights(const Vector (&g)[3], Vector (&t)[6]) {
    const Vector a = times(-1.0F / 6, plus(g[0], g[2]));
    const Vector b = times(1.0F / 6, g[1]);
    const Vector c = add_times(1.0F / 24, g[0], times(1.0F / 6, g[2]));
    const Vector e = times(1.0F / 12, g[1]);
    t[0] = times(0.25F, g[0]);
    t[1] = minus(a, b);
    t[2] = plus(a, b);
    t[3] = plus(c, e);
    t[4] = minus(c, e);
    t[5] = g[2];
  }

  static void transform_output(const Eight (&t)[6], Eight (&y)[4]) {
    const Eight a = plus(t[1], t[2]);
    const Eight b = minus(t[1], t[2]);
    const Eight c = plus(t[3], t[4]);
    const Eight e = minus(t[3], t[4]);
    y[0] = plus(t[0], plus(a, c));
    y[1] = add_times(2, e, b);
    y[2] = add_times(4, c, a);
    y[3] = plus(add_times(8, e, b), t[5]);
  }
};

/// For tiles of 2x2. The points are 0, 1, -1.
struct TilesOfTwo {
  using Units = Numbers;
  static constexpr int64_t side = 2;
  static constexpr int64_t pixels = 4;
  static constexpr int64_t points = 4;
  static constexpr int64_t enlargement = 1;

  static void transform_input(const Eight (&d)[4], Eight (&t)[4]) {
    t[0] = minus(d[0], d[2]);
    t[1] = plus(d[1], d[2]);
    t[2] = minus(d[2], d[1]);
    t[3] = minus(d[1], d[3]);
  }

  static void transform_weights(const Vector (&g)[3], Vector (&t)[4]) {
    const Vector a = times(0.5F, plus(g[0], g[2]));
    const Vector b = times(0.5F, g[1]);
    t[0] = g[0];
    t[1] = plus(a, b);
    t[2] = minus(a, b);
    t[3] = g[2];
  }

  static void transform_output(const Eight (&t)[4], Eight (&y)[2]) {
    y[0] = plus(t[0], plus(t[1], t[2]));
    y[1] = minus(t[1], plus(t[2], t[3]));
  }
};

/// For tiles of 4x4 where the input's pixels stand for two each, in both directions. Of d0 d1 d1 d2
/// d2 d3 convolved with g, and c = d2 - d1, the four numbers are
///   g0 (d0 - d2) + m - (g1 + g2 - g0) c / 2,    m - (g1 - g2 + g0) c / 2,
///   m + (g1 + g2 - g0) c / 2,    g2 (d3 - d1) + m + (g1 - g2 + g0) c / 2
/// with m = (g0 + g1 + g2) (d1 + d2) / 2: five products. Ours; multiplied out they are the sums.
struct EnlargedTilesOfFour {
  using Units = LEVEL_NAMESPACE::Units;
  static constexpr int64_t side = 4;
  static constexpr int64_t pixels = 4;
  static constexpr int64_t points = 5;
  static constexpr int64_t enlargement = 2;

  static void transform_input(const Eight (&d)[4], Eight (&t)[5]) {
    t[0] = minus(d[0], d[2]);
    t[1] = plus(d[1], d[2]);
    t[2] = minus(d[2], d[1]);
    t[3] = t[2];
    t[4] = minus(d[3], d[1]);
  }

  static void transform_weights(const Vector (&g)[3], Vector (&t)[5]) {
    t[0] = g[0];
    t[2] = times(0.5F, g[1]);
    t[3] = times(0.5F, minus(g[2], g[0]));
    t[1] = plus(t[2], times(0.5F, plus(g[0], g[2])));
    t[4] = g[2];
  }

  static void transform_output(const Eight (&t)[5], Eight (&y)[4]) {
    const Eight less = minus(t[1], t[2]);
    const Eight more = plus(t[1], t[2]);
    y[0] = plus(t[0], minus(less, t[3]));
    y[1] = plus(less, t[3]);
    y[2] = plus(more, t[3]);
    y[3] = plus(t[4], minus(more, t[3]));
  }
};

/// The second pass: what the first one has made of lines is transformed column by column, and given
/// to store_column(x, column).
template <typename V, int64_t lines, int64_t columns, int64_t length, typename StoreColumn>
inline void transform_columns(const V (&first)[lines][columns],
                              void (*transform)(const V (&)[lines], V (&)[length]),
                              const StoreColumn& store_column) {
  for (int64_t x = 0; x < columns; ++x) {
    V column[lines];
    V done[length];
    for (int64_t y = 0; y < lines; ++y) {
      column[y] = first[y][x];
    }
    transform(column, done);
    store_column(x, done);
  }
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
