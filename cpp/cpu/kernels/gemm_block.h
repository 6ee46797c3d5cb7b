#pragma once

// GEMM over one block of the output, computed by one thread, after Goto and van de Geijn (see
// pack.h). For each step of kc along k: pack all rows of A into panels that stay in the L2 cache;
// then pack one panel of B at a time, which stays in L1, and multiply it by all panels of A with
// the micro-kernel, whose accumulators stay in registers.
//
// Threads share no panels by default, so they never wait for each other; each number is packed
// once per block and used a hundred times or more. Targets for which packing is expensive pack
// whole operands first, for all blocks.

#include <type_traits>

#include "cpu/kernels/simd.h"  // GPUSTACK_DRAW_AMX_BF16

#if GPUSTACK_DRAW_TARGET == GPUSTACK_DRAW_AMX_BF16
#include "cpu/kernels/amx_micro_kernel.h"
#else
#include "cpu/kernels/vector_micro_kernel.h"
#endif

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

// Offset of a panel in a wholly packed operand: [k / kc][panel].
inline int64_t packed_a_offset(const Operand& a, int64_t row, int64_t k) {
  const int64_t kc_size = round_up(a.count, mr) * packed_row_size(packed_elements(a.blocking.kc));
  const int64_t elements = packed_elements(kc_at(a.blocking, k));
  return k / a.blocking.kc * kc_size + row * packed_row_size(elements);
}

inline int64_t packed_b_offset(const Operand& b, int64_t column, int64_t k) {
  const int64_t kc_size = round_up(b.count, nr) * packed_elements(b.blocking.kc);
  const int64_t elements = packed_elements(kc_at(b.blocking, k));
  return k / b.blocking.kc * kc_size + column * elements;
}

inline int64_t packed_a_size(const Operand& a) {
  return packed_a_offset(a, 0, round_up(a.blocking.k, a.blocking.kc));
}

inline int64_t packed_b_size(const Operand& b) {
  return packed_b_offset(b, 0, round_up(b.blocking.k, b.blocking.kc));
}

/// Panels of rows [begin, end) of A, for gemm_block().
class APanels {
 public:
  APanels(const Operand& a, int64_t begin, int64_t end)
      : a_(a), packer_(a.rows, end), begin_(begin), end_(end) {}

  /// Return the panels of `count` numbers from k on: packed before, or packed now into `panels`.
  /// `numbers` is scratch memory for a row in f32.
  const Packed* operator()(int64_t k, int64_t count, Packed* panels, float* numbers) const {
    if (a_.panels != nullptr) {
      return a_.panels + packed_a_offset(a_, begin_, k);
    }
    for (int64_t i = 0; i < end_ - begin_; i += mr) {
      packer_.pack(begin_ + i, k, count, panels + i * packed_row_size(packed_elements(count)),
                   numbers);
    }
    return panels;
  }

  /// Prefetch in `steps` steps the rows that will be packed from k on.
  Prefetcher prefetcher(int64_t k, int64_t steps) const {
    return a_.panels != nullptr
               ? Prefetcher()
               : Prefetcher(packer_.rows(), begin_, end_, k, kc_at(a_.blocking, k), steps);
  }

 private:
  Operand a_;
  APacker packer_;
  int64_t begin_;
  int64_t end_;
};

/// Panels of rows [begin, end) of B, which are columns of the output, for gemm_block().
class BPanels {
 public:
  BPanels(const Operand& b, int64_t begin, int64_t end)
      : b_(b), packer_(b.rows, end), begin_(begin), end_(end) {}

  /// Return the panel that begins at a column: packed before, or packed now into `panel`.
  const Packed* operator()(int64_t column, int64_t k, int64_t count, Packed* panel,
                           float* numbers) const {
    if (b_.panels != nullptr) {
      return b_.panels + packed_b_offset(b_, begin_ + column, k);
    }
    packer_.pack(begin_ + column, k, count, panel, numbers);
    return panel;
  }

  Prefetcher prefetcher(int64_t column, int64_t k, int64_t steps) const {
    return b_.panels != nullptr
               ? Prefetcher()
               : Prefetcher(packer_.rows(), begin_ + column, min(begin_ + column + nr, end_), k,
                            kc_at(b_.blocking, k), steps);
  }

 private:
  Operand b_;
  BPacker packer_;
  int64_t begin_;
  int64_t end_;
};

// Columns that are not rows in memory are not prefetched.
template <typename Columns>
inline Prefetcher prefetcher_for(const Columns& /*columns*/, int64_t /*column*/, int64_t /*k*/,
                                 int64_t /*steps*/) {
  return {};
}
inline Prefetcher prefetcher_for(const BPanels& columns, int64_t column, int64_t k, int64_t steps) {
  return columns.prefetcher(column, k, steps);
}

// All tiles of one panel of B. With an `output`, whole tiles are stored there directly and partial
// ones are cropped; without, accumulators are kept in `sums` for the next step along k.
template <bool accumulate, typename BeforeTile>
inline void macro_kernel(int64_t elements, const Packed* a_panels, const Packed* b_panel,
                         int64_t rows, int64_t columns, const StridedTile& sums,
                         const StridedTile* output, const BeforeTile& before_tile) {
  for_tiles(rows, columns, micro_kernel<accumulate>, tall_micro_kernel<accumulate>,
            [&](const auto& kernel, int64_t row, int64_t tile_rows) {
              before_tile();
              const StridedTile from = sums.at(row, 0);
              const bool is_whole = row + tile_rows <= rows && columns == nr;
              kernel(elements, a_panels + row * packed_row_size(elements), b_panel, from,
                     output != nullptr && is_whole ? output->at(row, 0) : from);
              if (output != nullptr && !is_whole) {
                for (int64_t i = 0; i < min(tile_rows, rows - row); ++i) {
                  __builtin_memcpy(output->at(row + i, 0).data, from.at(i, 0).data,
                                   static_cast<std::size_t>(columns) * sizeof(float));
                }
              }
            });
}

/// Compute a block of rows x columns over the whole depth. `a_panels` and `b_panels` are APanels
/// and BPanels, or function objects with the same parameters. `output` is the tile in which results
/// are stored, or a function object that takes those of one panel of B at a time.
template <typename Output, typename PanelsOfA, typename PanelsOfB>
void gemm_block(const Output& output, const PanelsOfA& a_panels, const PanelsOfB& b_panels,
                int64_t rows, int64_t columns, const KBlocking& blocking, Workspace& workspace) {
  constexpr bool stores_tiles = std::is_same_v<Output, StridedTile>;
  const int64_t tiles = ceil_div(rows, mr);
  const int64_t stride = round_up(columns, nr);
  const StridedTile sums{take<float>(workspace.sums, tiles * mr * stride), stride};
  const int64_t max_elements = packed_elements(min(blocking.k, blocking.kc));
  const int64_t a_size = round_up(tiles * mr * packed_row_size(max_elements), 16);
  const int64_t panels_size = a_size + nr * max_elements;
  auto* a_memory = take<Packed>(workspace.panels, panels_size + 8 * max_kc);
  const ScopedTileConfig tile_config;
  Packed* b_memory = a_memory + a_size;
  auto* numbers = reinterpret_cast<float*>(a_memory + panels_size);
  for (int64_t k = 0; k < blocking.k; k += blocking.kc) {
    const int64_t count = kc_at(blocking, k);
    const Packed* a = a_panels(k, count, a_memory, numbers);
    const bool is_last = k + count == blocking.k;
    decltype(a_panels.prefetcher(k, tiles)) a_prefetcher;
    if (!is_last) {
      a_prefetcher = a_panels.prefetcher(k + count, tiles * ceil_div(columns, nr));
    }
    for (int64_t j = 0; j < columns; j += nr) {
      decltype(prefetcher_for(b_panels, j, k, tiles)) b_prefetcher;
      if (j + nr < columns) {
        b_prefetcher = prefetcher_for(b_panels, j + nr, k, tiles);
      } else if (!is_last) {
        b_prefetcher = prefetcher_for(b_panels, 0, k + count, tiles);
      }
      [[maybe_unused]] int64_t row = 0;
      const auto prefetch = [&] {
        a_prefetcher.prefetch();
        b_prefetcher.prefetch();
        if constexpr (!stores_tiles) {
          if (is_last) {
            output.prefetch(row, j);
            row += mr;
          }
        }
      };
      const Packed* b = b_panels(j, k, count, b_memory, numbers);
      const auto multiply = [&](const StridedTile* tile) {
        const auto kernel = k > 0 ? macro_kernel<true, decltype(prefetch)>
                                  : macro_kernel<false, decltype(prefetch)>;
        kernel(packed_elements(count), a, b, rows, min(nr, columns - j), sums.at(0, j), tile,
               prefetch);
      };
      if constexpr (stores_tiles) {
        const StridedTile tile = output.at(0, j);
        multiply(is_last ? &tile : nullptr);
      } else {
        multiply(nullptr);
        if (is_last) {
          output(sums.at(0, j), rows, j);
        }
      }
    }
  }
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
