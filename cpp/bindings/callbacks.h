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
/// Exceptions must not cross some frames of the engine. So the first error (Ctrl-C included) is
/// stored, the engine is stopped, and call() throws the error after the engine has returned.
/// Create, use and destroy it with the GIL; the engine calls it without the GIL.
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

  ContinueFunction continue_function() {
    return [this] { return call_python([] {}); };
  }

  LogFunction log_function() {
    if (!on_log_) {
      return nullptr;
    }
    return [this](const LogLine& line) { call_log(line); };
  }

  /// Calls the engine without the GIL. An error of a callback takes precedence over the error that
  /// the engine made of it.
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
    return call_python([&] {
      if (on_progress_ && !error_) {
        (*on_progress_)(progress.phase, progress.step, progress.total, progress.seconds,
                        progress.preview ? Preview(progress.preview) : std::nullopt);
      }
    });
  }

  // Calls a Python callback. Returns false if the engine must stop.
  template <typename Callback>
  bool call_python(const Callback& callback) {
    if (EngineCall::are_ending()) {
      return false;
    }
    const pybind11::gil_scoped_acquire gil;
    try {
      callback();
      // Has an effect on the main thread only, where it lets Ctrl-C stop the drawing.
      if (PyErr_CheckSignals() != 0) {
        throw pybind11::error_already_set();
      }
    } catch (...) {
      store(std::current_exception());
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
      (*on_log_)(level_name(line.level), pybind11::bytes(line.text));
    } catch (...) {
      store(std::current_exception());
    }
  }

  static const char* level_name(LogLevel level) {
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

  void store(std::exception_ptr error) {
    if (!error_) {
      error_ = std::move(error);
    }
  }

  std::optional<OnProgress> on_progress_;
  std::optional<OnLog> on_log_;
  std::exception_ptr error_;  // accessed with the GIL only
};

}  // namespace gpustack_draw
