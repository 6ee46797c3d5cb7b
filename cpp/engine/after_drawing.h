#pragma once

#include <functional>
#include <vector>

namespace gpustack_draw {

/// Collects functions that are called if the drawing succeeds; one instance at a time.
///
/// The functions that replace some of the library's own get no user data, so the instance is found
/// through a static pointer.
class AfterDrawing {
 public:
  AfterDrawing() noexcept { current_ = this; }
  ~AfterDrawing() { current_ = nullptr; }
  AfterDrawing(const AfterDrawing&) = delete;
  AfterDrawing(AfterDrawing&&) = delete;
  AfterDrawing& operator=(const AfterDrawing&) = delete;
  AfterDrawing& operator=(AfterDrawing&&) = delete;

  /// Calls the functions. Those of a drawing that failed or was canceled are dropped.
  void succeed() const;

  /// Called by the replaced functions. Without an instance it does nothing.
  static void on_success(std::function<void()> function);

 private:
  static AfterDrawing* current_;

  std::vector<std::function<void()>> functions_;
};

}  // namespace gpustack_draw
