#pragma once

#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bindings/engine_call.h"
#include "bindings/module.h"
#include "engine/log.h"
#include "engine/picture.h"
#include "engine/progress.h"

namespace gpustack_draw {

/// Calls Python's progress and log functions from the engine's threads.
///
/// The engine calls through frames that an exception must not cross. So the first error (Ctrl-C
/// included) is kept, the engine is told to stop, and call() raises it once the engine has
/// returned. Make, use and destroy it with the GIL held; the engine calls it without.
class CallbackBridge {
 public:
  using Preview = std::optional<std::shared_ptr<Picture>>;
  using OnProgress = std::function<void(Phase, int, int, double, Preview)>;
  using OnLog = std::function<void(const std::string&, const pybind11::bytes&)>;

  CallbackBridge(std::optional<OnProgress> on_progress, std::optional<OnLog> on_log)
      : on_progress_(std::move(on_progress)), on_log_(std::move(on_log)) {}

  ProgressFunction progress_function() {
    return [this](const Progress& progress) { return call_progress(progress); };
  }

  WantedFunction wanted_function() {
    return [this] { return go_on([] {}); };
  }

  LogFunction log_function() {
    if (!on_log_) {
      return nullptr;
    }
    return [this](const LogLine& line) { call_log(line); };
  }

  /// Have the engine do something, without the GIL. Raises what a callback raised: what the engine
  /// made of it is not worth telling.
  template <typename Work>
  auto call(Work work) {
    try {
      auto result = without_gil(work);
      rethrow_if_failed();
      return result;
    } catch (...) {
      rethrow_if_failed();
      throw;
    }
  }

 private:
  void rethrow_if_failed() {
    if (error_) {
      std::rethrow_exception(std::exchange(error_, nullptr));
    }
  }

  bool call_progress(const Progress& progress) {
    return go_on([&] {
      if (on_progress_ && !error_) {
        (*on_progress_)(progress.phase, progress.step, progress.total, progress.seconds,
                        progress.preview ? Preview(progress.preview) : std::nullopt);
      }
    });
  }

  // Whether the engine is to go on after a call of Python's.
  template <typename CallPython>
  bool go_on(const CallPython& call_python) {
    if (EngineCall::are_ending()) {
      return false;
    }
    const pybind11::gil_scoped_acquire gil;
    try {
      call_python();
      // Only acts on the main thread, where it makes Ctrl-C end the drawing.
      if (PyErr_CheckSignals() != 0) {
        throw pybind11::error_already_set();
      }
    } catch (...) {
      keep(std::current_exception());
    }
    return error_ == nullptr;
  }

  void call_log(const LogLine& line) {
    if (EngineCall::are_ending()) {
      return;
    }
    const pybind11::gil_scoped_acquire gil;
    if (!on_log_ || error_) {
      return;
    }
    try {
      (*on_log_)(name_of(line.level), pybind11::bytes(line.text));
    } catch (...) {
      keep(std::current_exception());
    }
  }

  static const char* name_of(LogLevel level) {
    switch (level) {
      case LogLevel::debug:
        return "debug";
      case LogLevel::info:
        return "info";
      case LogLevel::warning:
        return "warning";
      default:
        return "error";
    }
  }

  void keep(std::exception_ptr error) {
    if (!error_) {
      error_ = std::move(error);
    }
  }

  std::optional<OnProgress> on_progress_;
  std::optional<OnLog> on_log_;
  std::exception_ptr error_;  // only touched with the GIL held
};

}  // namespace gpustack_draw
