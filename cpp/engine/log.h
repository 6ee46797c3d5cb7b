#pragma once

#include <functional>
#include <string>

namespace gpustack_draw {

enum class LogLevel { debug, info, warning, error };

/// A line of the library's log, without its newline. The text may be invalid UTF-8: the library
/// truncates lines at 4 KiB, possibly inside a character.
struct LogLine {
  LogLevel level;
  std::string text;
};

/// Called from any thread, loader threads included, one call at a time. Must not throw.
using LogFunction = std::function<void(const LogLine&)>;

}  // namespace gpustack_draw
