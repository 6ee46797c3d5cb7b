#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>

namespace gpustack_draw {

/// A drawn picture: height x width x 3 bytes, rows from the top, red, green, blue.
/// Owns the memory that the library allocated for it; moved, never copied.
class Picture {
 public:
  struct Free {
    void operator()(std::uint8_t* pixels) const noexcept { std::free(pixels); }
  };
  using Pixels = std::unique_ptr<std::uint8_t[], Free>;

  static constexpr std::size_t channels = 3;

  Picture(std::size_t width, std::size_t height, Pixels pixels)
      : width_(width), height_(height), pixels_(std::move(pixels)) {}

  std::size_t width() const noexcept { return width_; }
  std::size_t height() const noexcept { return height_; }
  std::uint8_t* pixels() const noexcept { return pixels_.get(); }

  /// Whether the middle, half as wide and high as the picture, is of one single colour.
  bool has_plain_middle() const noexcept {
    const std::size_t left = width_ / 4 * channels;
    const std::size_t right = (width_ - width_ / 4) * channels;
    const std::uint8_t* first = pixels() + height_ / 4 * width_ * channels + left;
    for (std::size_t row = height_ / 4; row < height_ - height_ / 4; ++row) {
      const std::uint8_t* begin = pixels() + row * width_ * channels;
      // All pixels of a row are alike if each byte is like the one a pixel later.
      if (!std::equal(first, first + channels, begin + left) ||
          !std::equal(begin + left + channels, begin + right, begin + left)) {
        return false;
      }
    }
    return true;
  }

 private:
  std::size_t width_;
  std::size_t height_;
  Pixels pixels_;
};

}  // namespace gpustack_draw
