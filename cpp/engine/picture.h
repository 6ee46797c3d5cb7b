#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "engine/loras.h"
#include "engine/step_cache.h"

namespace gpustack_draw {

/// A drawn picture: (height, width, 3) bytes, rows from the top; red, green, blue.
///
/// Owns the memory that the library allocated with malloc(); movable, not copyable.
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

  /// Tensors of the LoRAs that it was drawn with; none without LoRAs.
  std::optional<LoraTensors> lora_tensors;

  /// What a step cache did; none without one.
  std::optional<StepCacheCounts> step_cache;

 private:
  std::size_t width_;
  std::size_t height_;
  Pixels pixels_;
};

}  // namespace gpustack_draw
