#pragma once

namespace gpustack_draw {

/// This thread is in a callback of the engine's while one of these exists. Anything can happen
/// there: Python's garbage collector may free another engine, on a loader thread too.
class CallbackScope {
 public:
  CallbackScope() noexcept { active_ = true; }
  ~CallbackScope() { active_ = false; }
  CallbackScope(const CallbackScope&) = delete;
  CallbackScope(CallbackScope&&) = delete;
  CallbackScope& operator=(const CallbackScope&) = delete;
  CallbackScope& operator=(CallbackScope&&) = delete;

  static bool is_active() noexcept { return active_; }

 private:
  inline static thread_local bool active_ = false;
};

}  // namespace gpustack_draw
