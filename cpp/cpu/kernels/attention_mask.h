#pragma once

#include "cpu/kernels/blocking.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// Keys that are processed at a time.
constexpr int64_t key_block = 128 * PackedElement::k_pack;

/// The mask of some queries and a block of keys: f16, minus infinity where a query must not see a
/// key.
class MaskRows {
 public:
  MaskRows(const Attention& attention, int64_t query_begin, int64_t query_end, int64_t key)
      : first_(static_cast<const char*>(attention.mask) + query_begin * attention.mask_stride +
               key * number_bytes),
        stride_(attention.mask_stride),
        queries_(query_end - query_begin) {}

  /// Return the keys up to the last one that any query sees; the rest is often padding.
  int64_t visible_keys(int64_t keys) const {
    int64_t visible = 0;
    for (int64_t query = 0; query < queries_; ++query) {
      const auto* numbers = reinterpret_cast<const std::uint16_t*>(row(query));
      if (sees_any(numbers + visible, keys - visible)) {
        visible = keys;
        while (numbers[visible - 1] == minus_infinity) {
          --visible;
        }
      }
    }
    return visible;
  }

  /// Replace scores[key][query], rows nr apart, by scale * score + mask.
  void add_to(float* scores, int64_t keys, float scale) const {
    alignas(64) float masks[key_block];
    if (is_same_for_all(keys)) {
      read(0, keys, masks);
      for (int64_t i = 0; i < keys; ++i) {
        for (int64_t j = 0; j < nr; j += lanes) {
          float* vector = scores + i * nr + j;
          store(vector, multiply_add(load(vector), broadcast(scale), broadcast(masks[i])));
        }
      }
      return;
    }
    for (int64_t query = 0; query < queries_; ++query) {
      read(query, keys, masks);
      for (int64_t i = 0; i < keys; ++i) {
        float& score = scores[i * nr + query];
        score = score * scale + masks[i];
      }
    }
  }

 private:
  static constexpr int64_t number_bytes = 2;
  static constexpr std::uint16_t minus_infinity = 0xfc00;

  const char* row(int64_t query) const { return first_ + query * stride_; }

  // No early exit, so that the compiler vectorizes the loop.
  static bool sees_any(const std::uint16_t* numbers, int64_t count) {
    unsigned difference = 0;
    for (int64_t i = 0; i < count; ++i) {
      difference |= numbers[i] ^ minus_infinity;
    }
    return difference != 0;
  }

  // True where only padding is masked.
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
      alignas(64) std::uint16_t numbers[lanes] = {};
      __builtin_memcpy(numbers, row(query) + i * number_bytes,
                       static_cast<std::size_t>(min(lanes, keys - i) * number_bytes));
      store(masks + i, load_f16(numbers));
    }
  }

  const char* first_;
  int64_t stride_;
  int64_t queries_;
};

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
