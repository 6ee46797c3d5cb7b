#pragma once

#include <optional>
#include <string_view>

namespace gpustack_draw {

/// What a step cache did in a drawing.
struct StepCacheCounts {
  int skipped = 0;  ///< Evaluations of the denoiser that it replaced.
  int steps = 0;    ///< Sampling steps, of both passes.
};

/// Counts the evaluations that a step cache skips, from the library's log.
class StepCacheCount {
 public:
  /// Call when the library begins to denoise.
  void begin_pass(int steps) noexcept { counts_.steps += steps; }

  /// Call with each line of the library's log.
  void add_line(std::string_view text);

  /// Returns the counts; none if the library used no cache.
  std::optional<StepCacheCounts> result() const noexcept {
    return is_enabled_ ? std::optional(counts_) : std::nullopt;
  }

 private:
  StepCacheCounts counts_;
  bool is_enabled_ = false;
};

}  // namespace gpustack_draw
