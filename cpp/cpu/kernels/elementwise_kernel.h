#pragma once

// Elementwise operations.

#include "cpu/kernels/simd.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// output[i] = function(a[i]), for vectors; the last one is padded with zeros.
template <typename Function>
inline void map(const float* a, float* output, int64_t count, const Function& function) {
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    store(output + i, function(load(a + i)));
  }
  if (i < count) {
    alignas(64) float rest[lanes];
    store(rest, function(load_part(a + i, 0, count - i)));
    __builtin_memcpy(output + i, rest, static_cast<std::size_t>(count - i) * sizeof(float));
  }
}

template <typename Function>
inline void map(const float* a, const float* b, float* output, int64_t count,
                const Function& function) {
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    store(output + i, function(load(a + i), load(b + i)));
  }
  if (i < count) {
    alignas(64) float rest[lanes];
    store(rest, function(load_part(a + i, 0, count - i), load_part(b + i, 0, count - i)));
    __builtin_memcpy(output + i, rest, static_cast<std::size_t>(count - i) * sizeof(float));
  }
}

/// Return the sum of all lanes.
inline float reduce_add(Vector x) {
  alignas(64) float numbers[lanes];
  store(numbers, x);
  Four four = load_four(numbers);
  for (int64_t i = 4; i < lanes; i += 4) {
    four = add(four, load_four(numbers + i));
  }
  return reduce_add(four);
}

/// e^x as 2^n * power: x = n ln 2 + r with integer n, and power = e^r by its Taylor series up to
/// r^6
/// (|r| <= 0.35, error below 2e-7).
struct Exponential {
  Vector n;
  Vector power;
};

inline Exponential exponential_parts(Vector x) {
  const Vector n = nearest_integer(multiply(x, broadcast(1.44269504F)));
  // ln 2 in two parts, so that x - n ln 2 keeps its precision.
  Vector r = multiply_add(n, broadcast(-0.693145752F), x);
  r = multiply_add(n, broadcast(-1.42860677e-6F), r);
  Vector power = broadcast(1.0F / 720);
  power = multiply_add(power, r, broadcast(1.0F / 120));
  power = multiply_add(power, r, broadcast(1.0F / 24));
  power = multiply_add(power, r, broadcast(1.0F / 6));
  power = multiply_add(power, r, broadcast(0.5F));
  power = multiply_add(power, r, broadcast(1.0F));
  power = multiply_add(power, r, broadcast(1.0F));
  return {n, power};
}

/// e^x to 2 units in the last place: 0 below -104, infinity above 89; NaN stays NaN.
inline Vector exponential(Vector x) {
  const auto [n, power] = exponential_parts(min(broadcast(89.0F), max(broadcast(-104.0F), x)));
  return times_power_of_two(power, n);
}

inline Vector sigmoid(Vector x) {
  return divide(broadcast(1.0F), add(broadcast(1.0F), exponential(subtract(zero(), x))));
}

inline Vector hyperbolic_tangent(Vector x) {
  // The limit is exact in f32 beyond 10; the formula would divide infinity by infinity.
  const Vector twice = multiply(min(broadcast(10.0F), max(broadcast(-10.0F), x)), broadcast(2.0F));
  const auto [n, power] = exponential_parts(twice);
  const Vector e = multiply(power, power_of_two(n));
  return divide(subtract(e, broadcast(1.0F)), add(e, broadcast(1.0F)));
}

/// GELU by its tanh approximation (Hendrycks and Gimpel, arXiv:1606.08415), as in ggml:
/// (1 + tanh(y)) / 2 is the sigmoid of 2y.
inline Vector gelu(Vector x) {
  x = max(broadcast(-10.0F), x);  // 0 below; minus infinity times 0 would be NaN
  const Vector cube = multiply_add(multiply(broadcast(0.044715F), x), multiply(x, x), x);
  return multiply(x, sigmoid(multiply(broadcast(1.59576912F), cube)));
}

inline void unary(Unary function, const float* input, float* output, int64_t count) {
  switch (function) {
    case Unary::silu:
      return map(input, output, count, [](Vector x) { return multiply(x, sigmoid(x)); });
    case Unary::gelu:
      return map(input, output, count, [](Vector x) { return gelu(x); });
    case Unary::gelu_quick:
      return map(input, output, count,
                 [](Vector x) { return multiply(x, sigmoid(multiply(broadcast(1.702F), x))); });
    case Unary::relu:  // NaN becomes 0, as in ggml
      return map(input, output, count, [](Vector x) { return max(x, zero()); });
    case Unary::sigmoid:
      return map(input, output, count, [](Vector x) { return sigmoid(x); });
    case Unary::tanh:
      return map(input, output, count, [](Vector x) { return hyperbolic_tangent(x); });
  }
}

inline void add_arrays(const float* a, const float* b, float* output, int64_t count) {
  map(a, b, output, count, [](Vector x, Vector y) { return add(x, y); });
}

inline void add_scalar(const float* a, float b, float* output, int64_t count) {
  map(a, output, count, [=](Vector x) { return add(x, broadcast(b)); });
}

inline void multiply_arrays(const float* a, const float* b, float* output, int64_t count) {
  map(a, b, output, count, [](Vector x, Vector y) { return multiply(x, y); });
}

inline void multiply_scalar(const float* a, float b, float* output, int64_t count) {
  map(a, output, count, [=](Vector x) { return multiply(x, broadcast(b)); });
}

inline void leaky_relu(const float* input, float slope, float* output, int64_t count) {
  map(input, output, count, [=](Vector x) { return max(multiply(x, broadcast(slope)), x); });
}

inline void to_f16(const float* input, void* output, int64_t count) {
  auto* halves = static_cast<std::uint16_t*>(output);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    store_f16(halves + i, load(input + i));
  }
  if (i < count && count >= lanes) {
    store_f16(halves + count - lanes, load(input + count - lanes));  // overlaps the previous vector
  } else if (i < count) {
    alignas(64) std::uint16_t rest[lanes];
    store_f16(rest, load_part(input + i, 0, count - i));
    __builtin_memcpy(halves + i, rest, static_cast<std::size_t>(count - i) * sizeof(*halves));
  }
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
