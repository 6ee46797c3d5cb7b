#pragma once

#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {

/// What is packed once for all the blocks that read it may take 32 MiB.
constexpr std::int64_t most_shared_numbers = std::int64_t{8} * 1024 * 1024;

/// Numbers of panels to share: none where only one block reads them, nor where they are too many.
inline std::int64_t shared_numbers(std::int64_t blocks, std::int64_t numbers) {
  return blocks > 1 && numbers <= most_shared_numbers ? numbers : 0;
}

inline float* take_shared(std::int64_t numbers, Team& team) {
  return reinterpret_cast<float*>(
      team.shared().take(static_cast<std::size_t>(numbers) * sizeof(float)));
}

/// Packs a whole side: pack(row, depth, workspace) a tile of rows and a chunk of their depth.
template <typename Pack>
void pack_side(const Side& side, std::int64_t tile, Team& team, const Pack& pack) {
  const std::int64_t tiles = divided_up(side.count, tile);
  const std::int64_t chunks = divided_up(side.depth.whole, side.depth.chunk);
  team.run(tiles * chunks, [&](std::int64_t task, Workspace& workspace) {
    pack(task / chunks * tile, task % chunks * side.depth.chunk, workspace);
  });
}

inline void share_left(Side& side, float* panels, const Kernels& kernels, Team& team) {
  pack_side(side, kernels.row_tile, team,
            [&](std::int64_t row, std::int64_t depth, Workspace& workspace) {
              kernels.pack_left(side, row, depth, panels, workspace);
            });
  side.panels = panels;
}

inline void share_right(Side& side, float* panels, const Kernels& kernels, Team& team) {
  pack_side(side, kernels.column_tile, team,
            [&](std::int64_t row, std::int64_t depth, Workspace& workspace) {
              kernels.pack_right(side, row, depth, panels, workspace);
            });
  side.panels = panels;
}

}  // namespace gpustack_draw::cpu
