#pragma once

#include <algorithm>

#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {

/// Narrow products of `rows` rows each, `product(i)` the i-th: some rows a task.
template <typename Product>
void run_narrow(std::int64_t products, std::int64_t rows, const Kernels& kernels, Team& team,
                const Product& product) {
  constexpr std::int64_t tasks_a_thread = 8;
  constexpr std::int64_t fewest = 12;  // whole groups of rows at every level
  const std::int64_t even = divided_up(rows * products, tasks_a_thread * team.threads());
  const std::int64_t at_once = divided_up(std::min(even, rows), fewest) * fewest;
  const std::int64_t tasks = divided_up(rows, at_once);
  team.run(products * tasks, [&](std::int64_t task, Workspace& workspace) {
    const std::int64_t begin = task % tasks * at_once;
    kernels.narrow_product(product(task / tasks), begin, std::min(begin + at_once, rows),
                           workspace);
  });
}

}  // namespace gpustack_draw::cpu
