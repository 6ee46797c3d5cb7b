#pragma once

#include <omp.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <vector>

#include "cpu/kernels/kernels.h"

namespace gpustack_draw::cpu {

/// The threads that compute a graph. They are OpenMP's, shared with ggml's CPU code, so that the
/// two never compete for cores.
class ThreadPool {
 public:
  /// `is_cancelled` is called between tasks, from any thread.
  ThreadPool(int threads, const std::function<bool()>& is_cancelled)
      : threads_(threads),
        is_cancelled_(is_cancelled),
        workspaces_(static_cast<std::size_t>(threads)) {}

  int threads() const noexcept { return threads_; }

  /// True once the work was cancelled; results are then incomplete.
  bool was_cancelled() const noexcept { return cancelled_; }

  /// Scratch memory that all threads of an operation read.
  Scratch& shared() noexcept { return shared_; }

  /// Reset the cancellation before the next graph.
  void reset() noexcept { cancelled_ = false; }

  /// Run task(0, workspace) to task(count - 1, workspace), each once. A thread takes the next task
  /// when it has finished one, so a slow core gets fewer of them.
  ///
  /// @throws the first exception of a task.
  template <typename Task>
  void parallel_for(std::int64_t count, const Task& task) {
    std::atomic<std::int64_t> next{0};
    std::exception_ptr failure;
    std::atomic<bool> failed{false};
#pragma omp parallel num_threads(threads_) if (count > 1)
    {
      Workspace& workspace = workspaces_[static_cast<std::size_t>(omp_get_thread_num())];
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
  bool should_stop() {
    if (!cancelled_ && is_cancelled_ && is_cancelled_()) {
      cancelled_ = true;
    }
    return cancelled_;
  }

  int threads_;
  const std::function<bool()>& is_cancelled_;
  std::vector<Workspace> workspaces_;
  Scratch shared_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace gpustack_draw::cpu
