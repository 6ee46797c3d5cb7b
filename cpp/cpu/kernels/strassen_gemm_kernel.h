#pragma once

// GEMM by one level of the algorithm of Strassen, "Gaussian elimination is not optimal" (Numerische
// Mathematik 13, 1969): seven products of quadrants or of sums of two instead of eight. As in Huang
// et al., "Strassen's algorithm reloaded" (SC 2016), quadrants are added while they are packed, and
// a product is added to the output while it is in the cache, so nothing else is stored.
//
// Rows, columns and k are halved in the middle of the whole GEMM, so which numbers are added does
// not depend on blocks and threads. If rows are odd, the lower half repeats the last row: sums
// that contain it cancel out in the upper half.

#include "cpu/kernels/gemm_block.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// A quadrant of an operand: halves of its rows and of k.
struct Quadrant {
  int64_t rows;
  int64_t k;
};

/// first + sign * second, or only first if the sign is 0.
struct QuadrantSum {
  Quadrant first;
  Quadrant second = {0, 0};
  float sign = 0;
};

/// Adds sign * product to a quadrant of the output, or stores it.
struct ProductUse {
  int64_t rows;
  int64_t columns;
  float sign;
  bool is_first;
};

/// A product of sums of quadrants, and its uses; the second one has the sign 0 if there is none.
struct StrassenProduct {
  QuadrantSum a;
  QuadrantSum b;
  ProductUse uses[2];
};

constexpr StrassenProduct strassen_products[] = {
    {{{0, 0}, {1, 1}, 1}, {{0, 0}, {1, 1}, 1}, {{0, 0, 1, true}, {1, 1, 1, true}}},
    {{{1, 0}, {1, 1}, 1}, {{0, 0}}, {{1, 0, 1, true}, {1, 1, -1, false}}},
    {{{0, 0}}, {{1, 0}, {1, 1}, -1}, {{0, 1, 1, true}, {1, 1, 1, false}}},
    {{{1, 1}}, {{0, 1}, {0, 0}, -1}, {{0, 0, 1, false}, {1, 0, 1, false}}},
    {{{0, 0}, {0, 1}, 1}, {{1, 1}}, {{0, 0, -1, false}, {0, 1, 1, false}}},
    {{{1, 0}, {0, 0}, -1}, {{0, 0}, {1, 0}, 1}, {{1, 1, 1, false}, {}}},
    {{{0, 1}, {1, 1}, -1}, {{0, 1}, {1, 1}, 1}, {{0, 0, 1, false}, {}}},
};
constexpr int64_t strassen_product_count = 7;

/// Rows of a sum of quadrants of an operand.
class SumRows {
 public:
  SumRows(const Operand& operand, int64_t half_count, const QuadrantSum& sum)
      : rows_(operand.rows, operand.count),
        half_count_(half_count),
        half_k_(operand.blocking.k / 2),
        sum_(sum) {}

  Format format() const { return rows_.format(); }
  float sign() const { return sum_.sign; }

  /// Address of number k of a row in the first quadrant.
  const char* address(int64_t row, int64_t k) const { return address(sum_.first, row, k); }

  /// Bytes from there to the same number in the second quadrant.
  int64_t distance(int64_t row, int64_t k) const {
    return address(sum_.second, row, k) - address(row, k);
  }

  /// Prefetch in `steps` steps `count` numbers of rows [row, row_end) of one quadrant.
  Prefetcher prefetch_first(int64_t row, int64_t row_end, int64_t k, int64_t count,
                            int64_t steps) const {
    return prefetcher(sum_.first, row, row_end, k, count, steps);
  }
  Prefetcher prefetch_second(int64_t row, int64_t row_end, int64_t k, int64_t count,
                             int64_t steps) const {
    return sign() == 0 ? Prefetcher() : prefetcher(sum_.second, row, row_end, k, count, steps);
  }

 private:
  const char* address(const Quadrant& quadrant, int64_t row, int64_t k) const {
    return rows_.address(row + quadrant.rows * half_count_, k + quadrant.k * half_k_);
  }

  Prefetcher prefetcher(const Quadrant& quadrant, int64_t row, int64_t row_end, int64_t k,
                        int64_t count, int64_t steps) const {
    const int64_t shift = quadrant.rows * half_count_;
    return {rows_, row + shift, row_end + shift, k + quadrant.k * half_k_, count, steps};
  }

  RowReader rows_;
  int64_t half_count_;
  int64_t half_k_;
  QuadrantSum sum_;
};

/// Add a row of two quadrants, or convert one; load_numbers(p) loads a vector.
template <int64_t number_bytes, typename Load>
inline void add_row(const SumRows& rows, int64_t row, int64_t k, int64_t count, Packed* sums,
                    const Load& load_numbers) {
  const char* numbers = rows.address(row, k);
  if (rows.sign() == 0) {
    return pack_numbers<lanes, number_bytes>(numbers, count, sums, load_numbers);
  }
  const int64_t distance = rows.distance(row, k);
  const Vector sign = broadcast(rows.sign());
  pack_numbers<lanes, number_bytes>(numbers, count, sums, [=](const char* p) {
    return multiply_add(sign, load_numbers(p + distance), load_numbers(p));
  });
}

/// Pack mr rows of a sum of quadrants of A, which are f32, into a panel.
inline void pack_sum_of_a(const SumRows& rows, int64_t row, int64_t k, int64_t count,
                          Packed* panel) {
  for (int64_t i = 0; i < mr; ++i) {
    add_row<4>(rows, row + i, k, count, panel + i * packed_row,
               [](const char* p) { return F32::from_f32(p); });
  }
}

/// Pack nr rows of a sum of quadrants of B into a panel. Rows are added first, one after the other,
/// and then transposed: lines of 16 rows would replace each other in L1, as they are often a
/// multiple of 4 KiB apart.
inline void pack_sum_of_b(const SumRows& rows, int64_t row, int64_t k, int64_t count, Packed* panel,
                          float* numbers) {
  for (int64_t i = 0; i < nr; i += 8) {
    const char* addresses[8];
    for (int64_t j = 0; j < 8; ++j) {
      auto* sums = reinterpret_cast<Packed*>(numbers + j * max_kc);
      addresses[j] = reinterpret_cast<const char*>(sums);
      switch (rows.format()) {
        case Format::f16:
          add_row<2>(rows, row + i + j, k, count, sums,
                     [](const char* p) { return F32::from_f16(p); });
          break;
        case Format::bf16:
          add_row<2>(rows, row + i + j, k, count, sums,
                     [](const char* p) { return F32::from_bf16(p); });
          break;
        default:
          add_row<4>(rows, row + i + j, k, count, sums,
                     [](const char* p) { return F32::from_f32(p); });
      }
    }
    BPacker::transpose<4>(addresses, count, panel + i,
                          [](const char* p, const char* q) { return F32::from_f32_rows(p, q); });
  }
}

/// Prefetches packed panels that will be multiplied soon, a few lines per step.
class PanelPrefetcher {
 public:
  PanelPrefetcher() = default;  ///< Prefetches nothing.
  PanelPrefetcher(const Packed* panels, int64_t elements, int64_t steps)
      : next_(panels), end_(panels + elements), step_(round_up(ceil_div(elements, steps), line)) {}

  void prefetch() {
    for (const Packed* end = end_ - next_ < step_ ? end_ : next_ + step_; next_ < end;
         next_ += line) {
      prefetch_to_l2(next_);
    }
  }

 private:
  static constexpr int64_t line = 64 / sizeof(Packed);

  const Packed* next_ = nullptr;
  const Packed* end_ = nullptr;
  int64_t step_ = 0;
};

/// Packed panels of a sum of quadrants of A, for gemm_block().
class SumAPanels {
 public:
  SumAPanels(const Operand& a, int64_t begin, int64_t end) : a_(a), begin_(begin), end_(end) {}

  const Packed* operator()(int64_t k, int64_t /*count*/, Packed* /*panels*/,
                           float* /*numbers*/) const {
    return a_.panels + packed_a_offset(a_, begin_, k);
  }

  PanelPrefetcher prefetcher(int64_t k, int64_t steps) const {
    return {a_.panels + packed_a_offset(a_, begin_, k), round_up(end_ - begin_, mr) * packed_row,
            steps};
  }

 private:
  const Operand& a_;
  int64_t begin_;
  int64_t end_;
};

/// Panels of a sum of quadrants of B, for gemm_block(), kept for the next rows of A.
class SumBPanels {
 public:
  /// `memory` is for the panels of columns from `begin` on; if `packed`, they are in it.
  SumBPanels(const SumRows& rows, int64_t begin, const Operand& b, Packed* memory, bool packed)
      : rows_(rows), begin_(begin), b_(b), memory_(memory), is_packed_(packed) {}

  const Packed* operator()(int64_t column, int64_t k, int64_t count, Packed* /*panel*/,
                           float* numbers) const {
    Packed* panel = memory_ + packed_b_offset(b_, column, k);
    if (!is_packed_) {
      pack_sum_of_b(rows_, begin_ + column, k, count, panel, numbers);
    }
    return panel;
  }

  struct AnyPrefetcher {
    Prefetcher first;
    Prefetcher second;
    PanelPrefetcher panel;

    void prefetch() {
      first.prefetch();
      second.prefetch();
      panel.prefetch();
    }
  };

  AnyPrefetcher prefetcher(int64_t column, int64_t k, int64_t steps) const {
    const int64_t count = kc_at(b_.blocking, k);
    const int64_t row = begin_ + column;
    const PanelPrefetcher panel(memory_ + packed_b_offset(b_, column, k), count * nr, steps);
    if (is_packed_) {
      return {{}, {}, panel};
    }
    return {rows_.prefetch_first(row, row + nr, k, count, steps),
            rows_.prefetch_second(row, row + nr, k, count, steps), panel};
  }

 private:
  const SumRows& rows_;
  int64_t begin_;
  const Operand& b_;
  Packed* memory_;
  bool is_packed_;
};

inline SumBPanels::AnyPrefetcher prefetcher_for(const SumBPanels& columns, int64_t column,
                                                int64_t k, int64_t steps) {
  return columns.prefetcher(column, k, steps);
}

/// Adds the results of gemm_block() to quadrants of the output.
class QuadrantAdder {
 public:
  /// The block begins at `row` and `column` of the upper left quadrant.
  QuadrantAdder(const StrassenGemm& g, const StrassenProduct& product, int64_t row, int64_t column)
      : g_(g), product_(product), row_(row), column_(column) {}

  void operator()(const StridedTile& sums, int64_t rows, int64_t column) const {
    for (const ProductUse& use : product_.uses) {
      if (use.sign != 0) {
        add(sums, target(use, column), min(rows, rows_of(use)), use);
      }
    }
  }

  /// Prefetch mr rows of the output, from `row` of the block on.
  void prefetch(int64_t row, int64_t column) const {
    for (const ProductUse& use : product_.uses) {
      if (use.sign != 0 && !use.is_first) {
        const StridedTile to = target(use, column);
        for (int64_t i = row; i < min(row + mr, rows_of(use)); ++i) {
          prefetch_to_l2(to.at(i, 0).data);
        }
      }
    }
  }

 private:
  int64_t rows_of(const ProductUse& use) const {
    return g_.gemm.a.count - row_ - use.rows * g_.half_rows;
  }

  StridedTile target(const ProductUse& use, int64_t column) const {
    const StridedTile output{g_.gemm.output, g_.gemm.output_stride};
    return output.at(row_ + use.rows * g_.half_rows,
                     column_ + column + use.columns * (g_.gemm.b.count / 2));
  }

  static void add(const StridedTile& from, const StridedTile& to, int64_t rows,
                  const ProductUse& use) {
    const Vector sign = broadcast(use.sign);
    for (int64_t i = 0; i < rows; ++i) {
      const float* p = from.at(i, 0).data;
      float* q = to.at(i, 0).data;
      for (int64_t j = 0; j < nr; j += lanes) {
        store(q + j, use.is_first ? load(p + j) : multiply_add(sign, load(p + j), load(q + j)));
      }
    }
  }

  const StrassenGemm& g_;
  const StrassenProduct& product_;
  int64_t row_;
  int64_t column_;
};

inline KBlocking half_of(const KBlocking& blocking) { return {blocking.k / 2, blocking.kc}; }

/// The packed rows of a sum of quadrants of A.
inline Operand sum_of_a(const StrassenGemm& g, int64_t product) {
  Operand a{{}, g.row_end - g.row_begin, half_of(g.gemm.a.blocking)};
  a.panels = g.a_sums + product * packed_a_size(a);
  return a;
}

inline int64_t a_sums_size(const StrassenGemm& g) {
  return strassen_product_count * packed_a_size(sum_of_a(g, 0));
}

inline void pack_a_sums(const StrassenGemm& g, int64_t row, int64_t k) {
  for (int64_t i = 0; i < strassen_product_count; ++i) {
    const Operand a = sum_of_a(g, i);
    pack_sum_of_a(SumRows(g.gemm.a, g.half_rows, strassen_products[i].a), row, k,
                  kc_at(a.blocking, k),
                  g.a_sums + i * packed_a_size(a) + packed_a_offset(a, row - g.row_begin, k));
  }
}

inline void strassen_gemm(const StrassenGemm& g, const Block& block, Workspace& workspace) {
  const int64_t rows = block.row_end - block.row_begin;
  const int64_t columns = block.column_end - block.column_begin;
  const int64_t part = round_up(ceil_div(rows, ceil_div(rows, gemm_limits.max_rows)), mr);
  const Operand b{{}, columns, half_of(g.gemm.b.blocking)};
  auto* b_memory = take<Packed>(workspace.columns, packed_b_size(b));
  for (int64_t i = 0; i < strassen_product_count; ++i) {
    const StrassenProduct& product = strassen_products[i];
    const Operand a = sum_of_a(g, i);
    const SumRows b_rows(g.gemm.b, g.gemm.b.count / 2, product.b);
    for (int64_t row = block.row_begin; row < block.row_end; row += part) {
      const int64_t row_end = min(row + part, block.row_end);
      gemm_block(
          QuadrantAdder(g, product, row, block.column_begin),
          SumAPanels(a, row - g.row_begin, row_end - g.row_begin),
          SumBPanels(b_rows, block.column_begin, b, b_memory, /*packed=*/row > block.row_begin),
          row_end - row, columns, b.blocking, workspace);
    }
  }
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
