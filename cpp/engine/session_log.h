#pragma once

#include <deque>
#include <mutex>
#include <string>
#include <utility>

#include "engine/log.h"

namespace gpustack_draw {

/// Passes the library's log lines to a callback and keeps the last warnings and errors.
class SessionLog {
 public:
  explicit SessionLog(LogFunction on_log) : on_log_(std::move(on_log)) {}

  /// Adds a line, with or without newlines at its end. Callable from any thread.
  void add(LogLevel level, const char* text) noexcept;

  /// Returns `failure` followed by the last warnings and errors, one per line: the library reports
  /// the cause of a failure only in its log.
  std::string explain(const std::string& failure) const;

 private:
  static constexpr std::size_t max_problems = 8;

  LogFunction on_log_;
  mutable std::mutex mutex_;  // the library's loader threads log without a lock of their own
  std::deque<std::string> problems_;
};

}  // namespace gpustack_draw
