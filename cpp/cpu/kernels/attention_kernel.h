#pragma once

// Attention without the matrix of scores: queries meet the keys a block at a time, and what is
// known of the softmax so far (its greatest score and its sum) is put right when a greater score
// comes. Milakov and Gimelshein, arXiv:1805.02867; Dao et al., "FlashAttention", arXiv:2205.14135.

#include <cmath>

#include "cpu/kernels/elementwise_kernel.h"
#include "cpu/kernels/product.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

constexpr int64_t key_block = 128 * Units::depth;
static_assert(key_block <= panel_depth);  // shares are packed in one go

/// The softmax of some queries as far as their keys were met.
struct Softmax {
  float* scores;  ///< [query][key_block]
  float* shares;  ///< Panels of what they turn into.
  float* output;  ///< [query][output_stride], not yet divided by `sums`
  int64_t output_stride;
  float* greatest;  ///< [query]
  float* sums;      ///< [query]
};

// Packs the lines of one matrix [depth][column]: a value's numbers lie side by side.
class ValuePacker {
 public:
  ValuePacker(const Rows& values, int64_t first_key, int64_t columns)
      : values_(values), first_key_(first_key), columns_(columns) {}

  void pack(int64_t column, int64_t depth, int64_t count, float* panel) const {
    const int64_t there = least(column_tile, columns_ - column);
    LineWriter writer(panel);
    for (int64_t i = 0; i < count; ++i) {
      const char* row =
          static_cast<const char*>(values_.data) + (first_key_ + depth + i) * values_.stride;
      if (values_.format == Format::f16) {
        const char* p = row + column * 2;
        writer.add(
            {numbers<2>(p, there, load_f16), numbers<2>(p + lanes * 2, there - lanes, load_f16)});
      } else {
        const char* p = row + column * 4;
        writer.add(
            {numbers<4>(p, there, load_f32), numbers<4>(p + lanes * 4, there - lanes, load_f32)});
      }
    }
    writer.finish();
  }

 private:
  static Vector load_f32(const void* p) { return load(static_cast<const float*>(p)); }

  // A vector, of which `there` numbers are in memory, perhaps more or none.
  template <int64_t number_bytes>
  static Vector numbers(const char* p, int64_t there, Vector (*load_numbers)(const void*)) {
    if (there >= lanes) {
      return load_numbers(p);
    }
    if (there <= 0) {
      return zero();
    }
    alignas(64) char rest[lanes * number_bytes] = {};
    __builtin_memcpy(rest, p, static_cast<std::size_t>(there * number_bytes));
    return load_numbers(rest);
  }

  const Rows& values_;
  int64_t first_key_;
  int64_t columns_;
};

// Scales and masks a query's new scores, fills up the last vector with what has no share, and
// returns the greatest.
inline float mask_scores(const Attention& attention, int64_t query, int64_t key, int64_t count,
                         float* scores) {
  const Vector scale = all(attention.scale);
  const auto* mask = static_cast<const char*>(attention.mask);
  if (mask != nullptr) {
    mask += query * attention.mask_stride + key * 2;
  }
  Vector greatest = all(-__builtin_inff());
  const auto mask_vector = [&](int64_t i, const void* masks) {
    const Vector x = load(scores + i);
    const Vector score =
        masks == nullptr ? multiply(x, scale) : multiply_add(x, scale, load_f16(masks));
    store(scores + i, score);
    return score;
  };
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    greatest = greater(greatest, mask_vector(i, mask == nullptr ? nullptr : mask + i * 2));
  }
  if (i < count) {
    alignas(64) std::uint16_t masks[lanes] = {};
    if (mask != nullptr) {
      __builtin_memcpy(masks, mask + i * 2, static_cast<std::size_t>(count - i) * 2);
    }
    mask_vector(i, mask == nullptr ? nullptr : masks);
    for (int64_t j = count; j < round_up(count, lanes); ++j) {
      scores[j] = -__builtin_inff();
    }
    greatest = greater(greatest, load(scores + i));
  }
  return greatest_of(greatest);
}

// Turns a query's new scores, the greatest of which is known, into their share, and what it had so
// far into its share beside them.
inline void update(const Attention& attention, int64_t query, int64_t count, float block_most,
                   float* scores, const Softmax& softmax) {
  const float before = softmax.greatest[query];
  const float now = block_most > before ? block_most : before;
  if (now == -__builtin_inff() &&
      attention.mask != nullptr) {  // all masked so far, or NaN: it stays
    for (int64_t i = 0; i < round_up(count, lanes); ++i) {
      scores[i] = scores[i] == -__builtin_inff() ? 0 : scores[i];
    }
    return;
  }
  Vector sum = zero();
  for (int64_t i = 0; i < count; i += lanes) {
    const Vector share = exponential_below_zero(subtract(load(scores + i), all(now)));
    store(scores + i, share);
    sum = add(sum, share);
  }
  if (now > before) {
    const float shrink = std::exp(before - now);
    softmax.sums[query] *= shrink;
    float* output = softmax.output + query * softmax.output_stride;
    map(output, output, attention.value_depth, [=](Vector x) { return multiply(x, all(shrink)); });
  }
  softmax.sums[query] += sum_of(sum);
  softmax.greatest[query] = now;
}

inline bool is_masked(const Attention& attention, int64_t query_begin, int64_t query_end,
                      int64_t key, int64_t count) {
  constexpr std::uint16_t minus_infinity = 0xfc00;
  if (attention.mask == nullptr) {
    return false;
  }
  for (int64_t query = query_begin; query < query_end; ++query) {
    const auto* mask =
        reinterpret_cast<const std::uint16_t*>(static_cast<const char*>(attention.mask) +
                                               query * attention.mask_stride) +
        key;
    for (int64_t i = 0; i < count; ++i) {
      if (mask[i] != minus_infinity) {
        return false;
      }
    }
  }
  return true;
}

inline void attend(const Attention& attention, int64_t query_begin, int64_t queries, int64_t key,
                   const Softmax& softmax, Scratch& panels) {
  const int64_t keys = least(key_block, attention.key_count - key);
  const Depth depth = depth_for(attention.depth, 1);
  const Side query_side{attention.queries, attention.query_count, depth};
  const Side key_side{attention.keys, attention.key_count, depth};
  multiply(LeftPanels(query_side, query_begin, query_begin + queries),
           RightPanels(key_side, key, key + keys), queries, keys, depth, /*accumulate=*/false,
           {softmax.scores, key_block}, /*output=*/nullptr, panels);
  const Depth key_depth = depth_for(keys, 1);
  const Side share_side{{softmax.scores, key_block * 4}, queries, key_depth, softmax.shares};
  const LeftPacker packer(share_side.rows, queries);
  for (int64_t tile = 0; tile < queries; tile += row_tile) {
    for (int64_t i = tile; i < least(tile + row_tile, queries); ++i) {
      float* scores = softmax.scores + i * key_block;
      const float most = mask_scores(attention, query_begin + i, key, keys, scores);
      update(attention, i, keys, most, scores, softmax);
    }
    packer.pack(tile, 0, keys, softmax.shares + left_place(share_side, tile, 0),
                /*numbers=*/nullptr);
  }
  const ValuePacker values(attention.values, key, attention.value_depth);
  multiply(
      LeftPanels(share_side, 0, queries),
      [&](int64_t column, int64_t first, int64_t count, float* panel, float* /*numbers*/) {
        values.pack(column, first, count, panel);
        return panel;
      },
      queries, attention.value_depth, key_depth, /*accumulate=*/true,
      {softmax.output, softmax.output_stride}, /*output=*/nullptr, panels);
}

inline void attention(const Attention& attention, int64_t query_begin, int64_t query_end,
                      Workspace& workspace) {
  const int64_t queries = query_end - query_begin;
  const int64_t tile_rows = round_up(queries, row_tile);
  const int64_t output_stride = round_up(attention.value_depth, column_tile);
  const int64_t score_count = tile_rows * key_block;
  const int64_t share_count = round_up(tile_rows * row_units(units_for(key_block)), 16);
  const int64_t output_count = tile_rows * output_stride;
  const int64_t a_query = round_up(queries, 16);
  auto* scores = reinterpret_cast<float*>(workspace.sums.take(
      static_cast<std::size_t>(score_count + share_count + output_count + 2 * a_query) *
      sizeof(float)));
  float* shares = scores + score_count;
  float* output = shares + share_count;
  float* greatest = output + output_count;
  const Softmax softmax{scores, shares, output, output_stride, greatest, greatest + a_query};
  __builtin_memset(softmax.output, 0, static_cast<std::size_t>(output_count) * sizeof(float));
  for (int64_t i = 0; i < queries; ++i) {
    softmax.greatest[i] = -__builtin_inff();
    softmax.sums[i] = 0;
  }
  for (int64_t key = 0; key < attention.key_count; key += key_block) {
    const int64_t keys = least(key_block, attention.key_count - key);
    if (!is_masked(attention, query_begin, query_end, key, keys)) {
      attend(attention, query_begin, queries, key, softmax, workspace.panels);
    }
  }
  for (int64_t i = 0; i < queries; ++i) {
    const float sum = softmax.sums[i];
    multiply_number(softmax.output + i * softmax.output_stride, sum == 0 ? 0 : 1 / sum,
                    attention.output + (query_begin + i) * attention.output_stride,
                    attention.value_depth);
  }
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
