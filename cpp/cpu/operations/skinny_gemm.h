#pragma once

#include <algorithm>

#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {

/// Run several skinny GEMMs of `rows` rows each, in parallel; gemm(i) returns the i-th.
template <typename GetGemm>
void run_skinny_gemm(std::int64_t gemms, std::int64_t rows, const Kernels& kernels,
                     ThreadPool& pool, const GetGemm& gemm) {
  constexpr std::int64_t tasks_per_thread = 8;
  constexpr std::int64_t granularity = 12;  // whole register tiles on every target
  const std::int64_t even = ceil_div(rows * gemms, tasks_per_thread * pool.threads());
  const std::int64_t rows_per_task = ceil_div(std::min(even, rows), granularity) * granularity;
  const std::int64_t tasks = ceil_div(rows, rows_per_task);
  pool.parallel_for(gemms * tasks, [&](std::int64_t task, Workspace& workspace) {
    const std::int64_t begin = task % tasks * rows_per_task;
    kernels.skinny_gemm(gemm(task / tasks), begin, std::min(begin + rows_per_task, rows),
                        workspace);
  });
}

}  // namespace gpustack_draw::cpu
