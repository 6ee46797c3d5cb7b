#pragma once

// The transforms of Winograd convolution for one line of a tile, of eight tiles (or of the weights
// of a vector of channels) at a time. Tiles are transformed along lines, then along columns. The
// formulas are from Lavin and Gray, arXiv:1509.09308, section 4, with the constant factors of the
// weights moved to the input: each transformed number is multiplied by the two, and the weights are
// transformed more often.

#include "cpu/kernels/packed_element.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// The numbers of eight tiles at one position.
using Vector8 = Eight;

inline Vector8 times(float a, Vector8 x) { return multiply(broadcast_eight(a), x); }
inline Vector8 plus(Vector8 a, Vector8 b) { return add(a, b); }
inline Vector8 minus(Vector8 a, Vector8 b) { return subtract(a, b); }
/// a * x + b
inline Vector8 add_times(float a, Vector8 x, Vector8 b) {
  return multiply_add(broadcast_eight(a), x, b);
}

#if GPUSTACK_DRAW_LANES != 8
inline Vector times(float a, Vector x) { return multiply(broadcast(a), x); }
inline Vector plus(Vector a, Vector b) { return add(a, b); }
inline Vector minus(Vector a, Vector b) { return subtract(a, b); }
inline Vector add_times(float a, Vector x, Vector b) { return multiply_add(broadcast(a), x, b); }
#endif

/// F(4x4, 3x3), with interpolation points 0, 1, -1, 2, -2 and infinity.
struct WinogradF4x4 {
  using PackedElement = F32;
  static constexpr int64_t tile_size = 4;
  static constexpr int64_t pixels = 6;  ///< Input pixels per line.
  static constexpr int64_t points = 6;  ///< Transformed numbers per line.
  static constexpr int64_t upsampling = 1;

  static void transform_input(const Vector8 (&d)[6], Vector8 (&t)[6]) {
    const Vector8 a = add_times(2.0F / 3, d[2], times(-1.0F / 6, d[4]));
    const Vector8 b = add_times(2.0F / 3, d[1], times(-1.0F / 6, d[3]));
    const Vector8 c = times(1.0F / 24, minus(d[4], d[2]));
    const Vector8 e = times(1.0F / 12, minus(d[3], d[1]));
    t[0] = add_times(0.25F, d[4], add_times(-1.25F, d[2], d[0]));
    t[1] = plus(a, b);
    t[2] = minus(a, b);
    t[3] = plus(c, e);
    t[4] = minus(c, e);
    t[5] = add_times(4, d[1], add_times(-5, d[3], d[5]));
  }

  static void transform_weights(const Vector (&g)[3], Vector (&t)[6]) {
    const Vector a = plus(g[0], g[2]);
    const Vector b = add_times(4, g[2], g[0]);
    t[0] = g[0];
    t[1] = plus(a, g[1]);
    t[2] = minus(a, g[1]);
    t[3] = add_times(2, g[1], b);
    t[4] = add_times(-2, g[1], b);
    t[5] = g[2];
  }

  static void transform_output(const Vector8 (&t)[6], Vector8 (&y)[4]) {
    const Vector8 a = plus(t[1], t[2]);
    const Vector8 b = minus(t[1], t[2]);
    const Vector8 c = plus(t[3], t[4]);
    const Vector8 e = minus(t[3], t[4]);
    y[0] = plus(t[0], plus(a, c));
    y[1] = add_times(2, e, b);
    y[2] = add_times(4, c, a);
    y[3] = plus(add_times(8, e, b), t[5]);
  }
};

/// F(2x2, 3x3), with interpolation points 0, 1, -1 and infinity.
struct WinogradF2x2 {
  using PackedElement = F32;
  static constexpr int64_t tile_size = 2;
  static constexpr int64_t pixels = 4;
  static constexpr int64_t points = 4;
  static constexpr int64_t upsampling = 1;

  static void transform_input(const Vector8 (&d)[4], Vector8 (&t)[4]) {
    t[0] = minus(d[0], d[2]);
    t[1] = times(0.5F, plus(d[1], d[2]));
    t[2] = times(0.5F, minus(d[2], d[1]));
    t[3] = minus(d[1], d[3]);
  }

  static void transform_weights(const Vector (&g)[3], Vector (&t)[4]) {
    const Vector a = plus(g[0], g[2]);
    t[0] = g[0];
    t[1] = plus(a, g[1]);
    t[2] = minus(a, g[1]);
    t[3] = g[2];
  }

  static void transform_output(const Vector8 (&t)[4], Vector8 (&y)[2]) {
    y[0] = plus(t[0], plus(t[1], t[2]));
    y[1] = minus(t[1], plus(t[2], t[3]));
  }
};

/// 4x4 tiles of an input that is upsampled 2x (nearest). The line d0 d1 d1 d2 d2 d3 convolved with
/// g is, with c = d2 - d1:
///   g0 (d0 - d2) + m - (g1 + g2 - g0) c / 2,    m - (g1 - g2 + g0) c / 2,
///   m + (g1 + g2 - g0) c / 2,    g2 (d3 - d1) + m + (g1 - g2 + g0) c / 2
/// with m = (g0 + g1 + g2) (d1 + d2) / 2: five products. Derived for this project; expanding the
/// products gives the direct sums.
struct WinogradUpsampledF4x4 {
  using PackedElement = TARGET_NAMESPACE::PackedElement;
  static constexpr int64_t tile_size = 4;
  static constexpr int64_t pixels = 4;
  static constexpr int64_t points = 5;
  static constexpr int64_t upsampling = 2;

  static void transform_input(const Vector8 (&d)[4], Vector8 (&t)[5]) {
    t[0] = minus(d[0], d[2]);
    t[1] = times(0.5F, plus(d[1], d[2]));
    t[2] = times(0.5F, minus(d[2], d[1]));
    t[3] = t[2];
    t[4] = minus(d[3], d[1]);
  }

  static void transform_weights(const Vector (&g)[3], Vector (&t)[5]) {
    t[0] = g[0];
    t[1] = plus(g[1], plus(g[0], g[2]));
    t[2] = g[1];
    t[3] = minus(g[2], g[0]);
    t[4] = g[2];
  }

  static void transform_output(const Vector8 (&t)[5], Vector8 (&y)[4]) {
    const Vector8 less = minus(t[1], t[2]);
    const Vector8 more = plus(t[1], t[2]);
    y[0] = plus(t[0], minus(less, t[3]));
    y[1] = plus(less, t[3]);
    y[2] = plus(more, t[3]);
    y[3] = plus(t[4], minus(more, t[3]));
  }
};

/// The second pass: transform the columns of the transformed lines, and pass each result to
/// store_column(x, column).
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

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
