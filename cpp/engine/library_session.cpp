#include "engine/library_session.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "engine/callback_scope.h"
#include "engine/errors.h"

namespace gpustack_draw {
namespace {

std::unique_lock<std::mutex> wait_for_previous_session() {
  static std::mutex mutex;
  if (CallbackScope::is_active()) {
    throw EngineError("the engine cannot be used inside one of its callbacks");
  }
  return std::unique_lock<std::mutex>(mutex);
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

// Set between sessions: without a progress callback the library prints a bar to stdout.
void ignore_progress(int /*step*/, int /*total*/, float /*seconds*/, void* /*data*/) {}

}  // namespace

LibrarySession::LibrarySession(LogFunction on_log)
    : exclusive_(wait_for_previous_session()), log_(std::move(on_log)) {
  sd_set_log_callback(
      [](sd_log_level_t level, const char* text, void* session) {
        static_cast<LibrarySession*>(session)->add_line(level, text);
      },
      this);
  sd_set_progress_callback(
      [](int step, int total, float /*seconds*/, void* session) {
        const RawProgress& raw_progress = static_cast<LibrarySession*>(session)->raw_progress_;
        if (raw_progress) {
          raw_progress(step, total);
        }
      },
      this);
}

LibrarySession::~LibrarySession() {
  sd_set_log_callback(nullptr, nullptr);
  sd_set_progress_callback(&ignore_progress, nullptr);
  sd_set_preview_callback(nullptr, PREVIEW_NONE, 1, false, false, nullptr);
}

void LibrarySession::add_line(sd_log_level_t level, const char* line) {
  log_.add(log_level(level), line);
  // Inside a callback, another engine that is freed may log.
  const bool is_own = std::this_thread::get_id() == thread_ && !CallbackScope::is_active();
  if (on_line_ && is_own && level != SD_LOG_DEBUG) {
    on_line_(line);
  }
}

void LibrarySession::make_previews(Previews previews) {
  if (previews == Previews::none) {
    return;
  }
  sd_set_preview_callback(
      [](int /*step*/, int /*frames*/, sd_image_t* image, bool /*is_noisy*/, void* session) {
        static_cast<LibrarySession*>(session)->keep_preview(*image);
      },
      previews == Previews::decoded ? PREVIEW_VAE : PREVIEW_PROJ, /*interval=*/1,
      /*denoised=*/true, /*noisy=*/false, this);
}

void LibrarySession::keep_preview(const sd_image_t& image) noexcept {
  if (image.channel != Picture::channels) {
    return;
  }
  const std::size_t bytes = std::size_t{image.width} * image.height * Picture::channels;
  Picture::Pixels pixels(static_cast<std::uint8_t*>(std::malloc(bytes)));
  if (pixels == nullptr) {
    return;  // continue without this preview
  }
  std::copy_n(image.data, bytes, pixels.get());
  preview_ = std::make_shared<Picture>(image.width, image.height, std::move(pixels));
}

}  // namespace gpustack_draw
