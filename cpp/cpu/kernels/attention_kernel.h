#pragma once

// Attention without the matrix of scores: queries meet the keys a block at a time, and what is
// known of the softmax so far (its greatest score and its sum) is put right when a greater score
// comes. Milakov and Gimelshein, arXiv:1805.02867; Dao et al., "FlashAttention", arXiv:2205.14135.
//
// All of it is turned: the scores of a key lie in a line, a panel's queries side by side. So each
// lane of a vector has a softmax of its own, nothing is added up across lanes, and the shares are
// at once the columns of the product with the values, whose result is turned back at the end.

#include "cpu/kernels/attention_mask.h"
#include "cpu/kernels/transpose_kernel.h"
#include "cpu/kernels/value_packer.h"

namespace gpustack_draw::cpu::LEVEL_NAMESPACE {

static_assert(key_block <= panel_depth);  // the values of a block are a chunk of depth

constexpr float infinity = __builtin_inff();

/// 2^x by the Taylor series of 2^f: up to f^6, the remainder under 2e-7, or, where it will be
/// rounded to bf16, up to f^4, under 5e-5.
inline Vector share_of(Vector x) {
  return power_of_two(x, [](Vector f) {
    Vector power = all(0.00961812911F);
    if (Units::depth == 1) {
      power = multiply_add(all(0.000154035304F), f, all(0.00133335581F));
      power = multiply_add(power, f, all(0.00961812911F));
    }
    power = multiply_add(power, f, all(0.0555041087F));
    power = multiply_add(power, f, all(0.240226507F));
    power = multiply_add(power, f, all(0.693147181F));
    return multiply_add(power, f, all(1.0F));
  });
}

/// What a panel of queries has come to.
struct Softmax {
  float* output;    ///< [value_depth][column_tile], not yet divided by `sums`
  float* greatest;  ///< [column_tile], of the scores in powers of two
  float* sums;      ///< [column_tile]
};

// Some queries' output, a vector of them, times a number each.
inline void scale_output(float* output, int64_t value_depth, Vector factors) {
  for (int64_t i = 0; i < value_depth; ++i) {
    store(output + i * column_tile, multiply(load(output + i * column_tile), factors));
  }
}

// The greatest score of each query.
inline void find_greatest(const float* scores, int64_t keys, Vector (&most)[tile_vectors]) {
  most[0] = most[1] = all(-infinity);
  for (int64_t i = 0; i < keys; ++i) {
    for (int64_t j = 0; j < tile_vectors; ++j) {
      most[j] = greater(most[j], load(scores + i * column_tile + j * lanes));
    }
  }
}

// Turns scores, times `factor` powers of two, into shares in their place: units of a product. What
// the queries had so far is made their share beside these. At least `lowest` is taken off.
inline void share(float* scores, int64_t keys, float factor, float lowest, int64_t value_depth,
                  const Softmax& softmax) {
  Vector most[tile_vectors];
  find_greatest(scores, keys, most);
  Vector taken[tile_vectors];
  Vector shrink[tile_vectors];
  Vector sum[tile_vectors];
  for (int64_t j = 0; j < tile_vectors; ++j) {
    const Vector before = load(softmax.greatest + j * lanes);
    const Vector now = greater(multiply(most[j], all(factor)), before);
    store(softmax.greatest + j * lanes, now);
    taken[j] = greater(all(lowest), now);
    shrink[j] = share_of(subtract(before, taken[j]));
    sum[j] = zero();
  }
  const auto share_units = [&](int64_t unit, int64_t keys_there) {
    for (int64_t j = 0; j < tile_vectors; ++j) {
      float* line = scores + j * lanes;
      Vector shares[Units::depth];
      for (int64_t i = 0; i < Units::depth; ++i) {
        shares[i] = zero();
        if (i < keys_there) {
          const Vector score = load(line + (unit * Units::depth + i) * column_tile);
          shares[i] = share_of(multiply_add(score, all(factor), subtract(zero(), taken[j])));
          sum[j] = add(sum[j], shares[i]);
        }
      }
      store(line + unit * column_tile, Units::vector_of_lines(shares));
    }
  };
  const int64_t whole = keys / Units::depth;
  for (int64_t unit = 0; unit < whole; ++unit) {
    share_units(unit, Units::depth);
  }
  for (int64_t unit = whole; unit < units_for(keys); ++unit) {
    share_units(unit, keys - unit * Units::depth);
  }
  for (int64_t j = 0; j < tile_vectors; ++j) {
    float* sums = softmax.sums + j * lanes;
    store(sums, multiply_add(load(sums), shrink[j], sum[j]));
    scale_output(softmax.output + j * lanes, value_depth, shrink[j]);
  }
}

/// Some queries of a head, and what they have come to by the keys that they met.
class QueryBlock {
 public:
  QueryBlock(const Attention& attention, int64_t begin, int64_t end, Workspace& workspace)
      : attention_(attention),
        begin_(begin),
        end_(end),
        queries_{attention.queries, end - begin, depth_for(attention.depth, 1)},
        softmax_numbers_((round_up(attention.value_depth, row_tile) + 2) * column_tile) {
    const int64_t query_numbers = right_numbers(queries_);
    const int64_t key_numbers = round_up(left_numbers(key_side(key_block)), 16);
    const int64_t value_numbers =
        round_up(attention.value_depth, row_tile) * row_units(units_for(key_block));
    query_panels_ = reinterpret_cast<float*>(workspace.panels.take(
        static_cast<std::size_t>(query_numbers + key_numbers + value_numbers) * sizeof(float)));
    key_panels_ = query_panels_ + query_numbers;
    value_panels_ = key_panels_ + key_numbers;
    const int64_t panels = divide_up(queries_.count, column_tile);
    const int64_t score_numbers = round_up(key_block, row_tile) * column_tile;
    scores_ = reinterpret_cast<float*>(workspace.sums.take(
        static_cast<std::size_t>(score_numbers + panels * softmax_numbers_) * sizeof(float)));
    softmaxes_ = scores_ + score_numbers;
    for (int64_t i = 0; i < panels; ++i) {
      start(i);
    }
  }

  void meet(int64_t key, int64_t keys) const {
    pack_keys(key, keys);
    ValuePacker(attention_.values, attention_.value_depth).pack(key, keys, value_panels_);
    const TilesInUse tiles_in_use;
    for (int64_t query = 0; query < queries_.count; query += column_tile) {
      const int64_t columns = least(column_tile, queries_.count - query);
      const Softmax softmax = this->softmax(query / column_tile);
      score(keys, query, columns);
      if (attention_.mask == nullptr) {
        share(scores_, keys, attention_.scale * log2_e, -infinity, attention_.value_depth, softmax);
      } else {
        MaskRows(attention_, begin_ + query, begin_ + query + columns, key)
            .add_to(scores_, keys, attention_.scale);
        // A query may have met none so far.
        share(scores_, keys, log2_e, -3e38F, attention_.value_depth, softmax);
      }
      multiply_panels<true>(units_for(keys), value_panels_, scores_, attention_.value_depth,
                            columns, {softmax.output, column_tile}, nullptr, [] {});
    }
  }

  void finish() const {
    for (int64_t query = 0; query < queries_.count; query += column_tile) {
      const Softmax softmax = this->softmax(query / column_tile);
      for (int64_t j = 0; j < column_tile; j += lanes) {
        // Where all keys were masked, zeros.
        const Vector part = divide(all(1.0F), greater(all(1e-30F), load(softmax.sums + j)));
        scale_output(softmax.output + j, attention_.value_depth, part);
      }
      transpose(softmax.output, column_tile,
                attention_.output + (begin_ + query) * attention_.output_stride,
                attention_.output_stride, attention_.value_depth,
                least(column_tile, queries_.count - query));
    }
  }

 private:
  static constexpr float log2_e = 1.44269504F;

  Side key_side(int64_t keys) const { return {attention_.keys, keys, queries_.depth}; }

  Softmax softmax(int64_t panel) const {
    float* output = softmaxes_ + panel * softmax_numbers_;
    float* greatest = output + softmax_numbers_ - 2 * column_tile;
    return {output, greatest, greatest + column_tile};
  }

  void start(int64_t panel) const {
    const Softmax softmax = this->softmax(panel);
    __builtin_memset(softmax.output, 0, static_cast<std::size_t>(softmax_numbers_) * sizeof(float));
    for (int64_t i = 0; i < column_tile; ++i) {
      softmax.greatest[i] = -infinity;
    }
    const ColumnPacker packer(attention_.queries, end_);
    for (int64_t depth = 0; depth < attention_.depth; depth += queries_.depth.chunk) {
      packer.pack(begin_ + panel * column_tile, depth, chunk_at(queries_.depth, depth),
                  query_panels_ + right_place(queries_, panel * column_tile, depth),
                  /*numbers=*/nullptr);
    }
  }

  void pack_keys(int64_t key, int64_t keys) const {
    const LeftPacker packer(attention_.keys, key + keys);
    for (int64_t depth = 0; depth < attention_.depth; depth += queries_.depth.chunk) {
      for (int64_t i = 0; i < keys; i += row_tile) {
        packer.pack(key + i, depth, chunk_at(queries_.depth, depth),
                    key_panels_ + left_place(key_side(keys), i, depth), /*numbers=*/nullptr);
      }
    }
  }

  void score(int64_t keys, int64_t query, int64_t columns) const {
    for (int64_t depth = 0; depth < attention_.depth; depth += queries_.depth.chunk) {
      const auto multiply_some =
          depth == 0 ? multiply_panels<false, void (*)()> : multiply_panels<true, void (*)()>;
      multiply_some(units_for(chunk_at(queries_.depth, depth)),
                    key_panels_ + left_place(key_side(keys), 0, depth),
                    query_panels_ + right_place(queries_, query, depth), keys, columns,
                    {scores_, column_tile}, nullptr, [] {});
    }
  }

  const Attention& attention_;
  int64_t begin_;
  int64_t end_;
  Side queries_;
  int64_t softmax_numbers_;
  float* query_panels_;
  float* key_panels_;
  float* value_panels_;
  float* scores_;
  float* softmaxes_;
};

inline void attention(const Attention& attention, int64_t query_begin, int64_t query_end,
                      Workspace& workspace) {
  const QueryBlock queries(attention, query_begin, query_end, workspace);
  for (int64_t key = 0; key < attention.key_count; key += key_block) {
    int64_t keys = least(key_block, attention.key_count - key);
    if (attention.mask != nullptr) {
      keys = MaskRows(attention, query_begin, query_end, key).met(keys);
    }
    if (keys > 0) {
      queries.meet(key, keys);
    }
  }
  queries.finish();
}

}  // namespace gpustack_draw::cpu::LEVEL_NAMESPACE
