#include "engine/session_log.h"

#include <utility>

#include "engine/callback_scope.h"

namespace gpustack_draw {

void SessionLog::add(LogLevel level, const char* text) noexcept {
  if (CallbackScope::is_active()) {
    return;  // a callback frees another engine, whose log does not belong to this session
  }
  try {
    std::string line(text);
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) {
      line.pop_back();
    }
    const std::scoped_lock lock(mutex_);
    if (level >= LogLevel::warning) {
      if (problems_.size() == max_problems) {
        problems_.pop_front();
      }
      problems_.push_back(line);
    }
    if (on_log_) {
      const CallbackScope scope;
      on_log_(LogLine{level, std::move(line)});
    }
  } catch (...) {  // NOLINT(bugprone-empty-catch)
    // Out of memory: drop the line and continue drawing.
  }
}

std::string SessionLog::explain(const std::string& failure) const {
  const std::scoped_lock lock(mutex_);
  std::string text = failure;
  for (const std::string& problem : problems_) {
    text += '\n' + problem;
  }
  return text;
}

}  // namespace gpustack_draw
