#pragma once

namespace gpustack_draw {

/// Marks the current thread as running a callback of the engine.
///
/// A callback may run arbitrary code: Python's garbage collector may free another engine in it,
/// even on a loader thread.
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
