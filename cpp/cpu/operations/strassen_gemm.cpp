#include "cpu/operations/strassen_gemm.h"

#include <algorithm>

#include "cpu/operations/block_partition.h"
#include "cpu/operations/shared_packing.h"

namespace gpustack_draw::cpu {
namespace {

/// Upper bound for the packed rows of a pass: 36 MiB.
constexpr std::int64_t max_a_size = std::int64_t{9} * 1024 * 1024;

/// Upper bound for the packed columns of a thread: 3 MiB.
constexpr std::int64_t max_columns_size = std::int64_t{768} * 1024;

void pack_a(const StrassenGemm& gemm, const Kernels& kernels, ThreadPool& pool) {
  const KBlocking& blocking = gemm.gemm.a.blocking;
  const std::int64_t steps = ceil_div(blocking.k / 2, blocking.kc);
  const std::int64_t panels = (gemm.row_end - gemm.row_begin) / kernels.mr;
  pool.parallel_for(panels * steps, [&](std::int64_t task, Workspace&) {
    kernels.strassen->pack_a(gemm, gemm.row_begin + task / steps * kernels.mr,
                             task % steps * blocking.kc);
  });
}

BlockLimits limits_for(std::int64_t k, const Kernels& kernels) {
  BlockLimits limits = kernels.strassen->limits;
  limits.max_columns = std::clamp(max_columns_size / k, limits.min_columns, limits.max_columns);
  return limits;
}

}  // namespace

bool suits_strassen(const Gemm& gemm, const Kernels& kernels) {
  const StrassenKernels* strassen = kernels.strassen;
  const Format format = gemm.b.rows.format;
  const std::int64_t k = gemm.a.blocking.k;
  return strassen != nullptr && gemm.a.count >= strassen->min_rows &&
         gemm.b.count >= strassen->min_columns && gemm.b.count % (2 * kernels.nr) == 0 &&
         k >= strassen->min_k && k % 32 == 0 &&
         (format == Format::f32 || format == Format::f16 || format == Format::bf16);
}

// In passes of equal size over the rows of A.
void run_strassen_gemm(const Gemm& gemm, const Kernels& kernels, ThreadPool& pool) {
  const std::int64_t panels = ceil_div(gemm.a.count, 2 * kernels.mr);
  StrassenGemm part{gemm, panels * kernels.mr, 0, panels * kernels.mr, nullptr};
  const std::int64_t passes =
      std::min(panels, ceil_div(kernels.strassen->a_size(part), max_a_size));
  for (std::int64_t pass = 0; pass < passes; ++pass) {
    part.row_begin = pass * panels / passes * kernels.mr;
    part.row_end = (pass + 1) * panels / passes * kernels.mr;
    part.a_sums = take_shared(kernels.strassen->a_size(part), pool);
    pack_a(part, kernels, pool);
    const BlockPartition blocks(part.row_end - part.row_begin, gemm.b.count / 2, kernels,
                                pool.threads(), limits_for(gemm.a.blocking.k / 2, kernels));
    pool.parallel_for(blocks.count(), [&](std::int64_t task, Workspace& workspace) {
      Block block = blocks.at(task);
      block.row_begin += part.row_begin;
      block.row_end += part.row_begin;
      kernels.strassen->gemm(part, block, workspace);
    });
  }
}

}  // namespace gpustack_draw::cpu
