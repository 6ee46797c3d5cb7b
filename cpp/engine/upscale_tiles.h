#pragma once

#include <cstddef>
#include <vector>

namespace gpustack_draw {

/// A part of a side of a picture, in pixels: `begin` to `end`, and more pixels around it that the
/// model reads.
struct TileSpan {
  std::size_t begin;
  std::size_t end;
  std::size_t read_begin;
  std::size_t read_end;
};

/// Divides a side of a picture into equal parts.
///
/// The library's own tiles overlap by a quarter and show seams, because it pads each tile with
/// zeros. These tiles read `margin` pixels of their neighbors and are cut where they meet.
///
/// @param side In pixels.
/// @param max_size Largest part, in pixels, without the margin.
/// @param margin Pixels to read around a part, where the picture has them.
std::vector<TileSpan> divide_side(std::size_t side, std::size_t max_size, std::size_t margin);

}  // namespace gpustack_draw
