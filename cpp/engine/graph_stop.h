#pragma once

#include <functional>

namespace gpustack_draw {

/// Stops the library's computations for its lifetime, on every device; one instance at a time.
///
/// The library has no function for this. But it computes nothing outside of graphs, and each graph
/// begins in the function of checked_results.cpp. Once `should_stop` returns true, no graph is
/// computed: it fails, and the library returns early and without a picture, as it does for the
/// failures of a device. Its context stays usable.
class GraphStop {
 public:
  /// @param should_stop Also called between the tasks of a graph, from any thread, where the device
  ///     is a CPU.
  /// @param must_succeed Returns true where the library ends the process if a graph fails. The
  ///     graph is not computed either; the library continues with meaningless numbers.
  GraphStop(std::function<bool()> should_stop, std::function<bool()> must_succeed);
  ~GraphStop();
  GraphStop(const GraphStop&) = delete;
  GraphStop(GraphStop&&) = delete;
  GraphStop& operator=(const GraphStop&) = delete;
  GraphStop& operator=(GraphStop&&) = delete;

  /// True if nothing must be computed any more. False without an instance.
  static bool is_requested() { return current_ != nullptr && current_->should_stop_(); }

  /// True if a graph that was not computed must not fail.
  static bool must_succeed() { return current_ != nullptr && current_->must_succeed_(); }

 private:
  static GraphStop* current_;

  std::function<bool()> should_stop_;
  std::function<bool()> must_succeed_;
};

}  // namespace gpustack_draw
