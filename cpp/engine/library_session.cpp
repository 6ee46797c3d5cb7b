#include "engine/library_session.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "engine/callback_scope.h"
#include "engine/errors.h"
#include "engine/finite.h"
#include "stable-diffusion.h"

namespace gpustack_draw {
namespace {

std::mutex& session_mutex() {
  static std::mutex mutex;
  return mutex;
}

std::unique_lock<std::mutex> wait_for_the_session_before() {
  if (CallbackScope::is_active()) {
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

// The session that holds the mutex. The library passes no data to the functions that it is linked
// with.
LibrarySession* current_session = nullptr;

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
  current_session = this;
}

LibrarySession::~LibrarySession() {
  current_session = nullptr;
  sd_set_log_callback(nullptr, nullptr);
  sd_set_progress_callback(&ignore_progress, nullptr);
  sd_set_preview_callback(nullptr, PREVIEW_NONE, 1, false, false, nullptr);
}

void LibrarySession::make_previews(Previews previews) {
  if (previews == Previews::none) {
    return;
  }
  sd_set_preview_callback(
      [](int /*step*/, int /*frames*/, sd_image_t* image, bool /*is_noisy*/, void* session) {
        static_cast<LibrarySession*>(session)->preview(*image);
      },
      previews == Previews::decoded ? PREVIEW_VAE : PREVIEW_PROJ, /*interval=*/1,
      /*denoised=*/true, /*noisy=*/false, this);
}

void LibrarySession::log(LogLevel level, const char* text) noexcept {
  if (CallbackScope::is_active()) {
    return;  // another engine is freed inside a callback: not what this session is about
  }
  try {
    std::string line(text);
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) {
      line.pop_back();
    }
    const std::scoped_lock lock(log_mutex_);
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
  } catch (...) {  // NOLINT(bugprone-empty-catch)
    // Out of memory for a log line: the line is lost, the drawing goes on.
  }
}

void LibrarySession::progress(int step, int total) {
  if (raw_progress_) {
    raw_progress_(step, total);
  }
}

void LibrarySession::preview(const sd_image_t& image) noexcept {
  if (image.channel != Picture::channels) {
    return;
  }
  const std::size_t bytes = std::size_t{image.width} * image.height * Picture::channels;
  Picture::Pixels pixels(static_cast<std::uint8_t*>(std::malloc(bytes)));
  if (pixels == nullptr) {
    return;  // a drawing does not fail for want of a preview
  }
  std::copy_n(image.data, bytes, pixels.get());
  preview_ = std::make_shared<Picture>(image.width, image.height, std::move(pixels));
}

void LibrarySession::check_result(const float* numbers, std::size_t count) noexcept {
  if (current_session != nullptr && !are_finite(numbers, count)) {
    current_session->has_overflowed_ = true;
  }
}

void LibrarySession::report_damaged_tensor(const std::string& name) {
  if (current_session != nullptr) {
    current_session->damaged_tensor_ = name;
  }
}

std::string LibrarySession::explain(const std::string& what) const {
  const std::scoped_lock lock(log_mutex_);
  std::string text = what;
  for (const std::string& problem : problems_) {
    text += '\n' + problem;
  }
  return text;
}

}  // namespace gpustack_draw
