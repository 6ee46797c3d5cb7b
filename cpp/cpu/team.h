#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <vector>

#include "cpu/kernels/kernels.h"

namespace gpustack_draw::cpu {

/// The threads that share the work of a graph. They are OpenMP's, the same that ggml's own CPU code
/// uses, so that the two never compete.
class Team {
 public:
  /// `is_cancelled` is asked between tasks, from any thread.
  Team(int threads, const std::function<bool()>& is_cancelled)
      : threads_(threads),
        is_cancelled_(is_cancelled),
        workspaces_(static_cast<std::size_t>(threads)) {}

  int threads() const noexcept { return threads_; }

  /// Whether the work was cancelled; what is computed then means nothing.
  bool is_stopped() const noexcept { return stopped_; }

  /// What all threads read that take part in an operation.
  Scratch& shared() noexcept { return shared_; }

  /// Work on the next graph.
  void start() noexcept { stopped_ = false; }

  /// Do task(0, workspace) to task(count - 1, workspace), each once, a thread taking the next one
  /// when it is done: one that is slow, because its core has other work, simply does fewer.
  ///
  /// @throws whatever a task threw first.
  template <typename Task>
  void run(std::int64_t count, const Task& task) {
    std::atomic<std::int64_t> next{0};
    std::exception_ptr failure;
    std::atomic<bool> failed{false};
#pragma omp parallel num_threads(threads_) if (count > 1)
    {
      Workspace& workspace = workspaces_[thread_number()];
      while (!failed) {
        const std::int64_t i = next++;
        if (i >= count || should_stop()) {
          break;
        }
        try {
          task(i, workspace);
        } catch (...) {
          if (!failed.exchange(true)) {
            failure = std::current_exception();
          }
        }
      }
    }
    if (failure) {
      std::rethrow_exception(failure);
    }
  }

 private:
  static std::size_t thread_number() noexcept;

  bool should_stop() {
    if (!stopped_ && is_cancelled_ && is_cancelled_()) {
      stopped_ = true;
    }
    return stopped_;
  }

  int threads_;
  const std::function<bool()>& is_cancelled_;
  std::vector<Workspace> workspaces_;
  Scratch shared_;
  std::atomic<bool> stopped_{false};
};

}  // namespace gpustack_draw::cpu
