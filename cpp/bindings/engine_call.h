#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "engine/errors.h"

namespace gpustack_draw {

/// A running call into the engine, without the GIL.
///
/// During finalization Python ends threads that ask for the GIL; unwinding through C++ frames would
/// abort the process. So before finalization (atexit), end_all() stops the calls of other threads
/// and waits for them.
class EngineCall {
 public:
  /// Call with the GIL.
  EngineCall() {
    if (ending_) {
      throw EngineError("Python is exiting");
    }
    ++running_;
  }
  ~EngineCall() { --running_; }
  EngineCall(const EngineCall&) = delete;
  EngineCall(EngineCall&&) = delete;
  EngineCall& operator=(const EngineCall&) = delete;
  EngineCall& operator=(EngineCall&&) = delete;

  /// True if Python is exiting: calls must stop, and nothing may ask for the GIL.
  static bool are_ending() noexcept { return ending_; }

  /// Waits for all calls, as Python waits for threads: without a time limit, until Ctrl-C. Call
  /// with the GIL.
  static void end_all() {
    ending_ = true;
    while (running_ != 0) {
      {
        const pybind11::gil_scoped_release nogil;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      if (PyErr_CheckSignals() != 0) {
        throw pybind11::error_already_set();
      }
    }
  }

  /// Resets the count in the child of a fork, which has only the thread that forked.
  static void forget_all() noexcept { running_ = 0; }

  /// Blocks the end of a call, before it asks for the GIL, if Python is exiting.
  class Return {
   public:
    Return() = default;
    ~Return() {
      if (ending_) {
        --running_;
        while (true) {  // Python 3.14 blocks threads in this way instead of ending them
          std::this_thread::sleep_for(std::chrono::hours(1));
        }
      }
    }
    Return(const Return&) = delete;
    Return(Return&&) = delete;
    Return& operator=(const Return&) = delete;
    Return& operator=(Return&&) = delete;
  };

 private:
  inline static std::atomic<int> running_{0};
  inline static std::atomic<bool> ending_{false};
};

/// Runs work that does not use Python, without the GIL. Call with the GIL; it is held again when
/// this returns.
template <typename Work>
auto without_gil(Work work) {
  const EngineCall call;
  const pybind11::gil_scoped_release nogil;
  const EngineCall::Return before_the_gil;
  return work();
}

}  // namespace gpustack_draw
