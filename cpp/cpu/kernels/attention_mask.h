#pragma once

#include "cpu/kernels/units.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

/// How many keys queries meet at once.
constexpr int64_t key_block = 128 * Units::depth;

/// What the mask has for some queries and a block of keys: f16, minus infinity where a query does
/// not meet a key.
class MaskRows {
 public:
  MaskRows(const Attention& attention, int64_t query_begin, int64_t query_end, int64_t key)
      : first_(static_cast<const char*>(attention.mask) + query_begin * attention.mask_stride +
               key * number_bytes),
        stride_(attention.mask_stride),
        queries_(query_end - query_begin) {}

  /// Of so many keys those up to the last one that a query meets: the rest is often padding.
  int64_t met(int64_t keys) const {
    int64_t met = 0;
    for (int64_t query = 0; query < queries_; ++query) {
      const auto* numbers = reinterpret_cast<const std::uint16_t*>(row(query));
      if (meets_any(numbers + met, keys - met)) {
        met = keys;
        while (numbers[met - 1] == minus_infinity) {
          --met;
        }
      }
    }
    return met;
  }

  /// Scores [key][query], column_tile apart, become scale * score + mask.
  void add_to(float* scores, int64_t keys, float scale) const {
    alignas(64) float masks[key_block];
    if (is_same_for_all(keys)) {
      read(0, keys, masks);
      for (int64_t i = 0; i < keys; ++i) {
        for (int64_t j = 0; j < column_tile; j += lanes) {
          float* some = scores + i * column_tile + j;
          store(some, multiply_add(load(some), all(scale), all(masks[i])));
        }
      }
      return;
    }
    for (int64_t query = 0; query < queries_; ++query) {
      read(query, keys, masks);
      for (int64_t i = 0; i < keys; ++i) {
        float& score = scores[i * column_tile + query];
        score = score * scale + masks[i];
      }
    }
  }

 private:
  static constexpr int64_t number_bytes = 2;
  static constexpr std::uint16_t minus_infinity = 0xfc00;

  const char* row(int64_t query) const { return first_ + query * stride_; }

  // Without a way out of the loop, so that it goes in vectors.
  static bool meets_any(const std::uint16_t* numbers, int64_t count) {
    unsigned difference = 0;
    for (int64_t i = 0; i < count; ++i) {
      difference |= numbers[i] ^ minus_infinity;
    }
    return difference != 0;
  }

  // As it is where only padding is masked.
  bool is_same_for_all(int64_t keys) const {
    const auto bytes = static_cast<std::size_t>(keys * number_bytes);
    for (int64_t query = 1; query < queries_; ++query) {
      if (__builtin_memcmp(row(query), first_, bytes) != 0) {
        return false;
      }
    }
    return true;
  }

  void read(int64_t query, int64_t keys, float* masks) const {
    for (int64_t i = 0; i < keys; i += lanes) {
      alignas(64) std::uint16_t some[lanes] = {};
      __builtin_memcpy(some, row(query) + i * number_bytes,
                       static_cast<std::size_t>(least(lanes, keys - i) * number_bytes));
      store(masks + i, load_f16(some));
    }
  }

  const char* first_;
  int64_t stride_;
  int64_t queries_;
};

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
