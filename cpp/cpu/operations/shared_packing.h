#pragma once

#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {

/// Upper bound for operands that are packed once for all blocks: 32 MiB.
constexpr std::int64_t max_shared_size = std::int64_t{8} * 1024 * 1024;

/// Return `elements`, or 0 if only one block reads them or they are too many to share.
inline std::int64_t shared_size(std::int64_t blocks, std::int64_t elements) {
  return blocks > 1 && elements <= max_shared_size ? elements : 0;
}

inline Packed* take_shared(std::int64_t elements, ThreadPool& pool) {
  return reinterpret_cast<Packed*>(
      pool.shared().take(static_cast<std::size_t>(elements) * sizeof(Packed)));
}

/// Pack a whole operand; pack(row, k, workspace) packs one panel of `tile` rows and kc numbers.
template <typename Pack>
void pack_whole(const Operand& operand, std::int64_t tile, ThreadPool& pool, const Pack& pack) {
  const std::int64_t tiles = ceil_div(operand.count, tile);
  const std::int64_t steps = ceil_div(operand.blocking.k, operand.blocking.kc);
  pool.parallel_for(tiles * steps, [&](std::int64_t task, Workspace& workspace) {
    pack(task / steps * tile, task % steps * operand.blocking.kc, workspace);
  });
}

inline void pack_whole_a(Operand& operand, Packed* panels, const Kernels& kernels,
                         ThreadPool& pool) {
  pack_whole(operand, kernels.mr, pool,
             [&](std::int64_t row, std::int64_t k, Workspace& workspace) {
               kernels.pack_a(operand, row, k, panels, workspace);
             });
  operand.panels = panels;
}

inline void pack_whole_b(Operand& operand, Packed* panels, const Kernels& kernels,
                         ThreadPool& pool) {
  pack_whole(operand, kernels.nr, pool,
             [&](std::int64_t row, std::int64_t k, Workspace& workspace) {
               kernels.pack_b(operand, row, k, panels, workspace);
             });
  operand.panels = panels;
}

}  // namespace gpustack_draw::cpu
