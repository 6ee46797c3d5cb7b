#pragma once

#include <algorithm>

#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {

/// What a task works on: enough to be worth a task, little enough to stay in a core's cache.
constexpr std::int64_t numbers_a_task = 32'768;

/// For numbers that lie side by side: do_run(begin, count).
template <typename Do>
void for_runs(std::int64_t count, Team& team, const Do& do_run) {
  team.run(divided_up(count, numbers_a_task), [&](std::int64_t task, Workspace& /*workspace*/) {
    const std::int64_t begin = task * numbers_a_task;
    do_run(begin, std::min(numbers_a_task, count - begin));
  });
}

/// For the rows of a tensor from one up to, not including, another: do_row(i, i1, i2, i3).
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

/// The same for all rows, several a task.
template <typename Do>
void for_rows(const ggml_tensor& tensor, Team& team, const Do& do_row) {
  const std::int64_t rows = ggml_nrows(&tensor);
  const std::int64_t rows_a_task = std::max<std::int64_t>(1, numbers_a_task / tensor.ne[0]);
  team.run(divided_up(rows, rows_a_task), [&](std::int64_t task, Workspace& /*workspace*/) {
    const std::int64_t begin = task * rows_a_task;
    for_rows_between(tensor, begin, std::min(rows, begin + rows_a_task), do_row);
  });
}

}  // namespace gpustack_draw::cpu
