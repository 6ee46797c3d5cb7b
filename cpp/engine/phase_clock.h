#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "engine/callback_scope.h"
#include "engine/progress.h"

namespace gpustack_draw {

/// Adds phases and times to the library's progress.
class PhaseClock {
 public:
  PhaseClock(ProgressFunction on_progress, Phase first)
      : on_progress_(std::move(on_progress)), phase_(first) {}

  Phase phase() const noexcept { return phase_; }

  /// Reports a step of the current phase. Returns false if the engine must stop.
  bool report(int step, int total, std::shared_ptr<Picture> preview = nullptr) {
    if (!on_progress_) {
      return true;
    }
    total_ = std::max(total, 1);
    step = std::min(std::max(step, 0), total_);
    const std::chrono::duration<double> elapsed = Clock::now() - began_;
    const CallbackScope scope;
    return on_progress_({phase_, step, total_, elapsed.count(), std::move(preview)});
  }

  /// Reports the last step of the current phase. Returns false if the engine must stop.
  bool finish() { return report(total_, total_); }

  /// Begins a phase. Returns false if the engine must stop.
  bool enter(Phase phase, int total) {
    phase_ = phase;
    began_ = Clock::now();
    return report(0, total);
  }

 private:
  using Clock = std::chrono::steady_clock;

  ProgressFunction on_progress_;
  Phase phase_;
  int total_ = 1;
  Clock::time_point began_ = Clock::now();
};

}  // namespace gpustack_draw
