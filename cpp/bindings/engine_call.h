#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "engine/errors.h"

namespace gpustack_draw {

/// Calls into the engine, which run without the GIL.
///
/// When Python ends it ends each thread that then asks for the GIL, inside of C++, which cannot
/// bear it: the process aborts. So before that (atexit) end_all() has the calls of other threads
/// stop and waits for them.
class EngineCall {
 public:
  /// With the GIL.
  EngineCall() {
    if (ending_) {
      throw EngineError("Python is ending");
    }
    ++running_;
  }
  ~EngineCall() { --running_; }
  EngineCall(const EngineCall&) = delete;
  EngineCall(EngineCall&&) = delete;
  EngineCall& operator=(const EngineCall&) = delete;
  EngineCall& operator=(EngineCall&&) = delete;

  /// Python ends: calls are to stop, and nothing may ask for the GIL.
  static bool are_ending() noexcept { return ending_; }

  /// With the GIL. Waits as Python waits for threads: as long as it takes, or until Ctrl-C.
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

  /// In the child of a fork, which has only the thread that forked.
  static void forget_all() noexcept { running_ = 0; }

  /// The end of a call, before it asks for the GIL.
  class Return {
   public:
    Return() = default;
    ~Return() {
      if (ending_) {
        --running_;
        while (true) {  // as Python 3.14 does with threads that it would have ended
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

/// Do work that touches nothing of Python's. With the GIL, which is back when this returns.
template <typename Work>
auto without_gil(Work work) {
  const EngineCall call;
  const pybind11::gil_scoped_release nogil;
  const EngineCall::Return before_the_gil;
  return work();
}

}  // namespace gpustack_draw
