#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <utility>

#include "engine/callback_scope.h"
#include "engine/progress.h"

namespace gpustack_draw {

/// Decides whether a drawing must stop.
///
/// All compute threads call it very often. It polls `should_continue` only a few times per second,
/// and only on the thread that created it.
class StopCheck {
 public:
  StopCheck(std::function<bool()> is_cancelled, ContinueFunction should_continue)
      : is_cancelled_(std::move(is_cancelled)), should_continue_(std::move(should_continue)) {}

  bool operator()() {
    if (std::this_thread::get_id() == creator_ && Clock::now() >= next_poll_) {
      const CallbackScope scope;
      is_stopped_ = is_stopped_ || !should_continue_();
      next_poll_ = Clock::now() + poll_interval;
    }
    return is_stopped_ || is_cancelled_();
  }

  void stop() noexcept { is_stopped_ = true; }

 private:
  using Clock = std::chrono::steady_clock;

  // Polling acquires the GIL, which may wait some milliseconds for other Python threads.
  static constexpr std::chrono::milliseconds poll_interval{100};

  std::function<bool()> is_cancelled_;
  ContinueFunction should_continue_;
  std::thread::id creator_ = std::this_thread::get_id();
  Clock::time_point next_poll_ = Clock::now() + poll_interval;  // used on the creator's thread only
  std::atomic<bool> is_stopped_{false};
};

}  // namespace gpustack_draw
