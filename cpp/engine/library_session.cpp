#include "engine/library_session.h"

#include <utility>

#include "engine/errors.h"
#include "stable-diffusion.h"

namespace gpustack_draw {
namespace {

std::mutex& session_mutex() {
  static std::mutex mutex;
  return mutex;
}

thread_local bool in_callback = false;

class CallbackScope {
 public:
  CallbackScope() { in_callback = true; }
  ~CallbackScope() { in_callback = false; }
  CallbackScope(const CallbackScope&) = delete;
  CallbackScope(CallbackScope&&) = delete;
  CallbackScope& operator=(const CallbackScope&) = delete;
  CallbackScope& operator=(CallbackScope&&) = delete;
};

std::unique_lock<std::mutex> wait_for_the_session_before() {
  if (in_callback) {
    throw EngineError("the engine cannot be used inside a callback of its own");
  }
  return std::unique_lock<std::mutex>(session_mutex());
}

LogLevel log_level(sd_log_level_t level) {
  switch (level) {
    case SD_LOG_DEBUG:
      return LogLevel::debug;
    case SD_LOG_INFO:
      return LogLevel::info;
    case SD_LOG_WARN:
      return LogLevel::warning;
    default:
      return LogLevel::error;
  }
}

// The library prints a bar to standard output when it has no progress callback, so there is
// always one: this, between sessions.
void ignore_progress(int /*step*/, int /*total*/, float /*seconds*/, void* /*data*/) {}

}  // namespace

LibrarySession::LibrarySession(LogFunction on_log)
    : only_session_(wait_for_the_session_before()), on_log_(std::move(on_log)) {
  sd_set_log_callback(
      [](sd_log_level_t level, const char* text, void* session) {
        static_cast<LibrarySession*>(session)->log(log_level(level), text);
      },
      this);
  sd_set_progress_callback(
      [](int step, int total, float /*seconds*/, void* session) {
        static_cast<LibrarySession*>(session)->progress(step, total);
      },
      this);
}

LibrarySession::~LibrarySession() {
  sd_set_log_callback(nullptr, nullptr);
  sd_set_progress_callback(&ignore_progress, nullptr);
}

bool LibrarySession::is_in_callback() noexcept { return in_callback; }

void LibrarySession::log(LogLevel level, const char* text) noexcept {
  if (in_callback) {
    return;  // an engine is freed inside a callback: not what this session is about
  }
  try {
    std::string line(text);
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) {
      line.pop_back();
    }
    const std::lock_guard<std::mutex> lock(log_mutex_);
    if (level >= LogLevel::warning) {
      if (problems_.size() == kept_problems) {
        problems_.pop_front();
      }
      problems_.push_back(line);
    }
    if (on_log_) {
      const CallbackScope scope;
      on_log_(LogLine{level, std::move(line)});
    }
  } catch (...) {
    // Out of memory for a log line: the line is lost, the drawing goes on.
  }
}

void LibrarySession::progress(int step, int total) {
  if (raw_progress_) {
    const CallbackScope scope;
    raw_progress_(step, total);
  }
}

std::string LibrarySession::explain(const std::string& what) const {
  const std::lock_guard<std::mutex> lock(log_mutex_);
  std::string text = what;
  for (const std::string& problem : problems_) {
    text += '\n' + problem;
  }
  return text;
}

}  // namespace gpustack_draw
