#pragma once

#include <algorithm>

#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {

/// Elements of a task: enough to be worth a task, and few enough to stay in the cache of a core.
constexpr std::int64_t elements_per_task = 32'768;

/// Run do_run(begin, count) over contiguous numbers, in parallel.
template <typename Do>
void for_runs(std::int64_t count, ThreadPool& pool, const Do& do_run) {
  pool.parallel_for(ceil_div(count, elements_per_task),
                    [&](std::int64_t task, Workspace& /*workspace*/) {
                      const std::int64_t begin = task * elements_per_task;
                      do_run(begin, std::min(elements_per_task, count - begin));
                    });
}

/// Run do_row(i, i1, i2, i3) for the rows [begin, end) of a tensor.
template <typename Do>
void for_rows_between(const ggml_tensor& tensor, std::int64_t begin, std::int64_t end,
                      const Do& do_row) {
  std::int64_t i1 = begin % tensor.ne[1];
  std::int64_t i2 = begin / tensor.ne[1] % tensor.ne[2];
  std::int64_t i3 = begin / tensor.ne[1] / tensor.ne[2];
  for (std::int64_t row = begin; row < end; ++row) {
    do_row(row, i1, i2, i3);
    if (++i1 == tensor.ne[1]) {
      i1 = 0;
      if (++i2 == tensor.ne[2]) {
        i2 = 0;
        ++i3;
      }
    }
  }
}

/// Run do_row for all rows, in parallel.
template <typename Do>
void for_rows(const ggml_tensor& tensor, ThreadPool& pool, const Do& do_row) {
  const std::int64_t rows = ggml_nrows(&tensor);
  const std::int64_t rows_per_task = std::max<std::int64_t>(1, elements_per_task / tensor.ne[0]);
  pool.parallel_for(
      ceil_div(rows, rows_per_task), [&](std::int64_t task, Workspace& /*workspace*/) {
        const std::int64_t begin = task * rows_per_task;
        for_rows_between(tensor, begin, std::min(rows, begin + rows_per_task), do_row);
      });
}

}  // namespace gpustack_draw::cpu
