#include "engine/upscale_tiles.h"

#include <algorithm>

namespace gpustack_draw {

std::vector<TileSpan> divide_side(std::size_t side, std::size_t max_size, std::size_t margin) {
  const std::size_t count = (side + max_size - 1) / max_size;
  std::vector<TileSpan> spans;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = side * i / count;
    const std::size_t end = side * (i + 1) / count;
    spans.push_back({begin, end, begin - std::min(begin, margin), std::min(end + margin, side)});
  }
  return spans;
}

}  // namespace gpustack_draw
