#pragma once

// The output transform of Winograd convolution.

#include "cpu/kernels/winograd_input.h"

namespace gpustack_draw::cpu::TARGET_NAMESPACE {

/// Transform eight tiles of an output channel and write those before `tile_end`.
/// load_position(position) returns their products.
template <typename Transform, typename LoadPosition>
inline void store_winograd_tiles(const Convolution& c, const WinogradInput<Transform>& picture,
                                 int64_t channel, int64_t tile, int64_t tile_end,
                                 const LoadPosition& load_position) {
  constexpr int64_t points = Transform::points;
  constexpr int64_t tile_size = Transform::tile_size;
  Vector8 lines[points][tile_size];
  for (int64_t y = 0; y < points; ++y) {
    Vector8 line[points];
    for (int64_t x = 0; x < points; ++x) {
      line[x] = load_position(y * points + x);
    }
    Transform::transform_output(line, lines[y]);
  }
  alignas(32) float done[tile_size][tile_size][8];
  transform_columns(lines, &Transform::transform_output,
                    [&](int64_t x, const Vector8(&column)[tile_size]) {
                      for (int64_t y = 0; y < tile_size; ++y) {
                        store_eight(done[y][x], column[y]);
                      }
                    });
  const int64_t plane_size = c.output_width * c.output_height;
  for (int64_t i = 0; i < min(8, tile_end - tile); ++i) {
    const auto corner = picture.corner(tile + i);
    float* plane = c.output + (corner.picture * c.weights.count + channel) * plane_size;
    for (int64_t y = 0; y < min(tile_size, c.output_height - corner.y); ++y) {
      float* pixels = plane + (corner.y + y) * c.output_width + corner.x;
      for (int64_t x = 0; x < min(tile_size, c.output_width - corner.x); ++x) {
        pixels[x] = done[y][x][i];
      }
    }
  }
}

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
