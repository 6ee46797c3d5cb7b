#pragma once

// Packing: copying operands into panels in the order in which the micro-kernel reads them, after
// Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (ACM TOMS 34, 2008).
// A panel of B holds nr columns, interleaved element by element along k: panel[element][column]. A
// panel of A keeps each row contiguous: its elements are broadcast one at a time, from any address,
// and transposing rows would cost as much as a few multiply-adds.

#include "cpu/kernels/blocking.h"
#include "cpu/kernels/dequantize.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// Rows of an operand in their storage format. Reading past `row_end` repeats the last row; results
/// computed from it are discarded.
class RowReader {
 public:
  RowReader(const Rows& rows, int64_t row_end) : rows_(rows), row_end_(row_end) {}

  Format format() const { return rows_.format; }

  /// Address of number k of a row.
  const char* address(int64_t row, int64_t k) const {
    const auto* data = static_cast<const char*>(rows_.data) + min(row, row_end_ - 1) * rows_.stride;
    switch (rows_.format) {
      case Format::f32:
        return data + k * 4;
      case Format::f16:
      case Format::bf16:
        return data + k * 2;
      default:
        return data + k / rows_.block_size * rows_.block_bytes;
    }
  }

  /// Prefetch `count` numbers of a row into the L2 cache. Always inlined, because gcc removes calls
  /// of a function that only prefetches.
  __attribute__((always_inline)) void prefetch(int64_t row, int64_t k, int64_t count) const {
    const char* end = address(row, k + count);
    for (const char* p = address(row, k); p < end; p += 64) {
      prefetch_to_l2(p);
    }
  }

  void dequantize(int64_t row, int64_t k, int64_t count, float* numbers) const {
    TARGET_NAMESPACE::dequantize(rows_, address(row, k), numbers, count);
  }

 private:
  Rows rows_;
  int64_t row_end_;
};

/// Prefetches rows that will be packed soon, a few per step: prefetching all of them at once would
/// delay other loads.
class Prefetcher {
 public:
  Prefetcher() = default;  ///< Prefetches nothing.

  /// Prefetch `count` numbers from k on of rows [row, row_end), in `steps` steps.
  Prefetcher(const RowReader& rows, int64_t row, int64_t row_end, int64_t k, int64_t count,
             int64_t steps)
      : rows_(&rows),
        row_(row),
        row_end_(row_end),
        rows_per_step_(ceil_div(row_end - row, steps)),
        k_(k),
        count_(count) {}

  void prefetch() {
    for (int64_t end = min(row_ + rows_per_step_, row_end_); row_ < end; ++row_) {
      rows_->prefetch(row_, k_, count_);
    }
  }

 private:
  const RowReader* rows_ = nullptr;
  int64_t row_ = 0;
  int64_t row_end_ = 0;
  int64_t rows_per_step_ = 0;
  int64_t k_ = 0;
  int64_t count_ = 0;
};

/// Pack contiguous numbers; vectors of packed elements are stored `vector_step` apart.
template <int64_t vector_step, int64_t number_bytes, typename Load>
inline void pack_numbers(const char* row, int64_t count, Packed* panel, const Load& load_packed) {
  constexpr int64_t step = lanes * PackedElement::k_pack;
  int64_t k = 0;
  for (; k + step <= count; k += step, panel += vector_step) {
    store(panel, load_packed(row + k * number_bytes));
  }
  if (k < count) {
    alignas(64) char rest[step * number_bytes] = {};
    __builtin_memcpy(rest, row + k * number_bytes,
                     static_cast<std::size_t>((count - k) * number_bytes));
    store(panel, load_packed(rest));
  }
}

/// Packs mr rows of A into a panel. Rows start `row_step` elements apart, the vectors of a row
/// `vector_step`.
template <int64_t row_step, int64_t vector_step>
class BasicAPacker {
 public:
  BasicAPacker(const Rows& rows, int64_t row_end) : rows_(rows, row_end) {}

  const RowReader& rows() const { return rows_; }

  /// Offset of an element of a row in its panel.
  static int64_t offset(int64_t row, int64_t element) {
    return row * row_step + element / lanes * vector_step + element % lanes;
  }

  /// `numbers` is scratch memory for a row in f32; it may be null unless rows are quantized.
  void pack(int64_t row, int64_t k, int64_t count, Packed* panel, float* numbers) const {
    for (int64_t i = 0; i < mr; ++i) {
      pack_row(row + i, k, count, panel + i * row_step, numbers);
    }
  }

 private:
  void pack_row(int64_t row, int64_t k, int64_t count, Packed* panel, float* numbers) const {
    switch (rows_.format()) {
      case Format::f32:
        return pack_numbers<vector_step, 4>(rows_.address(row, k), count, panel, [](const char* p) {
          return PackedElement::from_f32(p);
        });
      case Format::f16:
        return pack_numbers<vector_step, 2>(rows_.address(row, k), count, panel, [](const char* p) {
          return PackedElement::from_f16(p);
        });
      case Format::bf16:
        return pack_numbers<vector_step, 2>(rows_.address(row, k), count, panel, [](const char* p) {
          return PackedElement::from_bf16(p);
        });
      default:
        rows_.dequantize(row, k, count, numbers);
        return pack_numbers<vector_step, 4>(
            reinterpret_cast<const char*>(numbers), count, panel,
            [](const char* p) { return PackedElement::from_f32(p); });
    }
  }

  RowReader rows_;
};

/// Packs nr rows of B into a panel, transposed: panel[element][row].
class BPacker {
 public:
  BPacker(const Rows& rows, int64_t row_end) : rows_(rows, row_end) {}

  const RowReader& rows() const { return rows_; }

  /// `numbers` is scratch memory for eight rows of max_kc f32; it may be null unless rows are
  /// quantized.
  void pack(int64_t row, int64_t k, int64_t count, Packed* panel, float* numbers) const {
    for (int64_t i = 0; i < nr; i += 8) {
      pack_eight(row + i, k, count, panel + i, numbers);
    }
  }

  /// Pack eight rows, four elements at a time. load_rows(p, q) loads four elements of two rows.
  template <int64_t number_bytes, typename Load>
  static void transpose(const char* const (&rows)[8], int64_t count, Packed* panel,
                        const Load& load_rows) {
    constexpr int64_t step = 4 * PackedElement::k_pack;
    constexpr int64_t cache_line = 64;
    const int64_t next_rows = 8 * (rows[1] - rows[0]);
    Eight elements[4];
    int64_t k = 0;
    for (; k + step <= count; k += step, panel += 4 * nr) {
      if (k * number_bytes % cache_line == 0) {
        for (const char* row : rows) {
          prefetch_to_l2(row + next_rows + k * number_bytes);
        }
      }
      for (int64_t i = 0; i < 4; ++i) {
        elements[i] = load_rows(rows[i] + k * number_bytes, rows[i + 4] + k * number_bytes);
      }
      transpose_four(elements);
      for (int64_t i = 0; i < 4; ++i) {
        store_eight(panel + i * nr, elements[i]);
      }
    }
    const int64_t missing = packed_elements(count) - k / PackedElement::k_pack;
    if (missing == 0) {
      return;
    }
    alignas(32) char rest[8][step * number_bytes] = {};
    for (int64_t i = 0; i < 8; ++i) {
      __builtin_memcpy(rest[i], rows[i] + k * number_bytes,
                       static_cast<std::size_t>((count - k) * number_bytes));
    }
    for (int64_t i = 0; i < 4; ++i) {
      elements[i] = load_rows(rest[i], rest[i + 4]);
    }
    transpose_four(elements);
    for (int64_t i = 0; i < missing; ++i) {
      store_eight(panel + i * nr, i < 4 ? elements[i] : zero_eight());
    }
  }

 private:
  void pack_eight(int64_t row, int64_t k, int64_t count, Packed* panel, float* numbers) const {
    const char* addresses[8];
    for (int64_t i = 0; i < 8; ++i) {
      addresses[i] = rows_.address(row + i, k);
    }
    switch (rows_.format()) {
      case Format::f32:
        return transpose<4>(addresses, count, panel, [](const char* p, const char* q) {
          return PackedElement::from_f32_rows(p, q);
        });
      case Format::f16:
        return transpose<2>(addresses, count, panel, [](const char* p, const char* q) {
          return PackedElement::from_f16_rows(p, q);
        });
      case Format::bf16:
        return transpose<2>(addresses, count, panel, [](const char* p, const char* q) {
          return PackedElement::from_bf16_rows(p, q);
        });
      default:
        for (int64_t i = 0; i < 8; ++i) {
          rows_.dequantize(row + i, k, count, numbers + i * max_kc);
          addresses[i] = reinterpret_cast<const char*>(numbers + i * max_kc);
        }
        return transpose<4>(addresses, count, panel, [](const char* p, const char* q) {
          return PackedElement::from_f32_rows(p, q);
        });
    }
  }

  RowReader rows_;
};

/// Writes a panel of B line by line; a line holds the numbers of all columns at one k.
class BPanelWriter {
 public:
  explicit BPanelWriter(Packed* panel) : panel_(panel) {}

  void add(const Vector (&line)[nr_vectors]) {
#if GPUSTACK_DRAW_PACKS_BF16
    if (!has_even_) {
      has_even_ = true;
      for (int64_t i = 0; i < nr_vectors; ++i) {
        even_[i] = line[i];
      }
      return;
    }
    has_even_ = false;
    add_elements({PackedElement::interleave(even_[0], line[0]),
                  PackedElement::interleave(even_[1], line[1])});
#else
    add_elements(line);
#endif
  }

  /// Pad with zeros to whole elements and whole tiles.
  void finish() {
#if GPUSTACK_DRAW_PACKS_BF16
    if (has_even_) {
      add({zero(), zero()});
    }
#endif
    while (elements_ % k_tile != 0) {
      add_elements({zero(), zero()});
    }
  }

 private:
  void add_elements(const Vector (&elements)[nr_vectors]) {
    for (int64_t i = 0; i < nr_vectors; ++i) {
      store(panel_ + i * lanes, elements[i]);
    }
    panel_ += nr;
    ++elements_;
  }

  Packed* panel_;
  int64_t elements_ = 0;
#if GPUSTACK_DRAW_PACKS_BF16
  Vector even_[nr_vectors];
  bool has_even_ = false;
#endif
};

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
