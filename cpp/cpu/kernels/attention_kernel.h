#pragma once

// Attention without a matrix of scores: queries are multiplied by one block of keys at a time, and
// the running maximum and sum of the softmax are rescaled when a greater score occurs. Milakov and
// Gimelshein, arXiv:1805.02867; Dao et al., "FlashAttention", arXiv:2205.14135.
//
// Scores are computed transposed: a line per key, with the queries of a panel side by side. So each
// lane of a vector has its own softmax, nothing is reduced across lanes, and probabilities are
// already operand B of the product with the values, whose result is transposed at the end.

#include "cpu/kernels/attention_mask.h"
#include "cpu/kernels/transpose_kernel.h"
#include "cpu/kernels/value_packer.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

static_assert(key_block <= panel_kc);  // one kc step for the product with the values

constexpr float infinity = __builtin_inff();

/// 2^x by the Taylor series of 2^f: up to f^6 with an error below 2e-7 or, if the result is rounded
/// to bf16, up to f^4 with an error below 5e-5.
inline Vector exp2_approx(Vector x) {
  return power_of_two(x, [](Vector f) {
    Vector power = broadcast(0.00961812911F);
    if (PackedElement::k_pack == 1) {
      power = multiply_add(broadcast(0.000154035304F), f, broadcast(0.00133335581F));
      power = multiply_add(power, f, broadcast(0.00961812911F));
    }
    power = multiply_add(power, f, broadcast(0.0555041087F));
    power = multiply_add(power, f, broadcast(0.240226507F));
    power = multiply_add(power, f, broadcast(0.693147181F));
    return multiply_add(power, f, broadcast(1.0F));
  });
}

/// Running softmax of a panel of queries.
struct Softmax {
  float* output;   ///< [value_size][nr], not yet divided by `sums`
  float* maximum;  ///< [nr], of the scores in powers of two
  float* sums;     ///< [nr]
};

// Multiply the output of a vector of queries by a factor each.
inline void scale_output(float* output, int64_t value_size, Vector factors) {
  for (int64_t i = 0; i < value_size; ++i) {
    store(output + i * nr, multiply(load(output + i * nr), factors));
  }
}

// Find the maximum score of each query.
inline void find_maximum(const float* scores, int64_t keys, Vector (&maximum)[nr_vectors]) {
  maximum[0] = maximum[1] = broadcast(-infinity);
  for (int64_t i = 0; i < keys; ++i) {
    for (int64_t j = 0; j < nr_vectors; ++j) {
      maximum[j] = max(maximum[j], load(scores + i * nr + j * lanes));
    }
  }
}

// Replace scores by packed probabilities 2^(factor * score - maximum), in place, and rescale
// earlier sums and outputs to the new maximum. The maximum subtracted is at least `lowest`.
inline void exponentiate(float* scores, int64_t keys, float factor, float lowest,
                         int64_t value_size, const Softmax& softmax) {
  Vector maximum[nr_vectors];
  find_maximum(scores, keys, maximum);
  Vector subtracted[nr_vectors];
  Vector rescale[nr_vectors];
  Vector sum[nr_vectors];
  for (int64_t j = 0; j < nr_vectors; ++j) {
    const Vector before = load(softmax.maximum + j * lanes);
    const Vector now = max(multiply(maximum[j], broadcast(factor)), before);
    store(softmax.maximum + j * lanes, now);
    subtracted[j] = max(broadcast(lowest), now);
    rescale[j] = exp2_approx(subtract(before, subtracted[j]));
    sum[j] = zero();
  }
  const auto exponentiate_elements = [&](int64_t element, int64_t count) {
    for (int64_t j = 0; j < nr_vectors; ++j) {
      float* line = scores + j * lanes;
      Vector probabilities[PackedElement::k_pack];
      for (int64_t i = 0; i < PackedElement::k_pack; ++i) {
        probabilities[i] = zero();
        if (i < count) {
          const Vector score = load(line + (element * PackedElement::k_pack + i) * nr);
          probabilities[i] =
              exp2_approx(multiply_add(score, broadcast(factor), subtract(zero(), subtracted[j])));
          sum[j] = add(sum[j], probabilities[i]);
        }
      }
      store(reinterpret_cast<Packed*>(line + element * nr),
            PackedElement::from_lines(probabilities));
    }
  };
  const int64_t whole = keys / PackedElement::k_pack;
  for (int64_t element = 0; element < whole; ++element) {
    exponentiate_elements(element, PackedElement::k_pack);
  }
  for (int64_t element = whole; element < packed_elements(keys); ++element) {
    exponentiate_elements(element, keys - element * PackedElement::k_pack);
  }
  for (int64_t j = 0; j < nr_vectors; ++j) {
    float* sums = softmax.sums + j * lanes;
    store(sums, multiply_add(load(sums), rescale[j], sum[j]));
    scale_output(softmax.output + j * lanes, value_size, rescale[j]);
  }
}

/// A block of queries of one head, and their running softmax.
class QueryBlock {
 public:
  QueryBlock(const Attention& attention, int64_t begin, int64_t end, Workspace& workspace)
      : attention_(attention),
        begin_(begin),
        end_(end),
        queries_{attention.queries, end - begin, k_blocking_for(attention.head_size, 1)},
        softmax_size_((round_up(attention.value_size, mr) + 2) * nr) {
    const int64_t query_size = packed_b_size(queries_);
    const int64_t key_size = round_up(packed_a_size(key_operand(key_block)), 16);
    const int64_t value_size =
        round_up(attention.value_size, mr) * packed_row_size(packed_elements(key_block));
    query_panels_ = take<Packed>(workspace.panels, query_size + key_size + value_size);
    key_panels_ = query_panels_ + query_size;
    value_panels_ = key_panels_ + key_size;
    const int64_t panels = ceil_div(queries_.count, nr);
    const int64_t score_size = round_up(key_block, mr) * nr;
    scores_ = take<float>(workspace.sums, score_size + panels * softmax_size_);
    softmaxes_ = scores_ + score_size;
    for (int64_t i = 0; i < panels; ++i) {
      start(i);
    }
  }

  void accumulate_keys(int64_t key, int64_t keys) const {
    pack_keys(key, keys);
    ValuePacker(attention_.values, attention_.value_size).pack(key, keys, value_panels_);
    const ScopedTileConfig tile_config;
    for (int64_t query = 0; query < queries_.count; query += nr) {
      const int64_t columns = min(nr, queries_.count - query);
      const Softmax softmax = this->softmax(query / nr);
      score(keys, query, columns);
      if (attention_.mask == nullptr) {
        exponentiate(scores_, keys, attention_.scale * log2_e, -infinity, attention_.value_size,
                     softmax);
      } else {
        MaskRows(attention_, begin_ + query, begin_ + query + columns, key)
            .add_to(scores_, keys, attention_.scale);
        // A query may have seen no keys yet.
        exponentiate(scores_, keys, log2_e, -3e38F, attention_.value_size, softmax);
      }
      const auto* probabilities = reinterpret_cast<const Packed*>(scores_);
      macro_kernel<true>(packed_elements(keys), value_panels_, probabilities, attention_.value_size,
                         columns, {softmax.output, nr}, nullptr, [] {});
    }
  }

  void finish() const {
    for (int64_t query = 0; query < queries_.count; query += nr) {
      const Softmax softmax = this->softmax(query / nr);
      for (int64_t j = 0; j < nr; j += lanes) {
        // Queries for which all keys are masked get zeros.
        const Vector part = divide(broadcast(1.0F), max(broadcast(1e-30F), load(softmax.sums + j)));
        scale_output(softmax.output + j, attention_.value_size, part);
      }
      transpose(softmax.output, nr, attention_.output + (begin_ + query) * attention_.output_stride,
                attention_.output_stride, attention_.value_size, min(nr, queries_.count - query));
    }
  }

 private:
  static constexpr float log2_e = 1.44269504F;

  Operand key_operand(int64_t keys) const { return {attention_.keys, keys, queries_.blocking}; }

  Softmax softmax(int64_t panel) const {
    float* output = softmaxes_ + panel * softmax_size_;
    float* maximum = output + softmax_size_ - 2 * nr;
    return {output, maximum, maximum + nr};
  }

  void start(int64_t panel) const {
    const Softmax softmax = this->softmax(panel);
    __builtin_memset(softmax.output, 0, static_cast<std::size_t>(softmax_size_) * sizeof(float));
    for (int64_t i = 0; i < nr; ++i) {
      softmax.maximum[i] = -infinity;
    }
    const BPacker packer(attention_.queries, end_);
    for (int64_t k = 0; k < attention_.head_size; k += queries_.blocking.kc) {
      packer.pack(begin_ + panel * nr, k, kc_at(queries_.blocking, k),
                  query_panels_ + packed_b_offset(queries_, panel * nr, k),
                  /*numbers=*/nullptr);
    }
  }

  void pack_keys(int64_t key, int64_t keys) const {
    const APacker packer(attention_.keys, key + keys);
    for (int64_t k = 0; k < attention_.head_size; k += queries_.blocking.kc) {
      for (int64_t i = 0; i < keys; i += mr) {
        packer.pack(key + i, k, kc_at(queries_.blocking, k),
                    key_panels_ + packed_a_offset(key_operand(keys), i, k), /*numbers=*/nullptr);
      }
    }
  }

  void score(int64_t keys, int64_t query, int64_t columns) const {
    for (int64_t k = 0; k < attention_.head_size; k += queries_.blocking.kc) {
      const auto kernel = k == 0 ? macro_kernel<false, void (*)()> : macro_kernel<true, void (*)()>;
      kernel(packed_elements(kc_at(queries_.blocking, k)),
             key_panels_ + packed_a_offset(key_operand(keys), 0, k),
             query_panels_ + packed_b_offset(queries_, query, k), keys, columns, {scores_, nr},
             nullptr, [] {});
    }
  }

  const Attention& attention_;
  int64_t begin_;
  int64_t end_;
  Operand queries_;
  int64_t softmax_size_;
  Packed* query_panels_;
  Packed* key_panels_;
  Packed* value_panels_;
  float* scores_;
  float* softmaxes_;
};

inline void attention(const Attention& attention, int64_t query_begin, int64_t query_end,
                      Workspace& workspace) {
  const QueryBlock queries(attention, query_begin, query_end, workspace);
  for (int64_t key = 0; key < attention.key_count; key += key_block) {
    int64_t keys = min(key_block, attention.key_count - key);
    if (attention.mask != nullptr) {
      keys = MaskRows(attention, query_begin, query_end, key).visible_keys(keys);
    }
    if (keys > 0) {
      queries.accumulate_keys(key, keys);
    }
  }
  queries.finish();
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
