#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <utility>

#include "engine/callback_scope.h"
#include "engine/progress.h"

namespace gpustack_draw {

/// Whether a drawing is to stop. Asked so often, from all threads that compute, that it asks its
/// caller only some times a second, and only on the thread that made it.
class StopCheck {
 public:
  StopCheck(std::function<bool()> is_cancelled, WantedFunction is_wanted)
      : is_cancelled_(std::move(is_cancelled)), is_wanted_(std::move(is_wanted)) {}

  bool operator()() {
    if (std::this_thread::get_id() == caller_ && Clock::now() >= next_question_) {
      const CallbackScope scope;
      is_unwanted_ = is_unwanted_ || !is_wanted_();
      next_question_ = Clock::now() + pause;
    }
    return is_unwanted_ || is_cancelled_();
  }

 private:
  using Clock = std::chrono::steady_clock;

  // Python's lock is taken to ask: now and then this waits for its other threads, some
  // milliseconds.
  static constexpr std::chrono::milliseconds pause{100};

  std::function<bool()> is_cancelled_;
  WantedFunction is_wanted_;
  std::thread::id caller_ = std::this_thread::get_id();
  Clock::time_point next_question_ = Clock::now() + pause;  // only touched on the caller's thread
  std::atomic<bool> is_unwanted_{false};
};

}  // namespace gpustack_draw
