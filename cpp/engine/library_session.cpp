#include "engine/library_session.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "engine/callback_scope.h"
#include "engine/errors.h"
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
  make_previews(Previews::none);
}

LibrarySession::~LibrarySession() {
  sd_set_log_callback(nullptr, nullptr);
  sd_set_progress_callback(&ignore_progress, nullptr);
  sd_set_preview_callback(nullptr, PREVIEW_NONE, 1, false, false, nullptr);
}

void LibrarySession::make_previews(Previews previews) {
  // NaN shows in what each step starts from, the noisy one, and in what it gives. The former is
  // looked at where that is cheap: the library makes all previews of a drawing in the same way.
  keeps_previews_ = previews != Previews::none;
  const bool decoded = previews == Previews::decoded;
  sd_set_preview_callback(
      [](int step, int /*frames*/, sd_image_t* image, bool is_noisy, void* session) {
        static_cast<LibrarySession*>(session)->preview(step, *image, is_noisy);
      },
      decoded ? PREVIEW_VAE : PREVIEW_PROJ, /*interval=*/1, /*denoised=*/true, /*noisy=*/!decoded,
      this);
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

void LibrarySession::preview(int step, const sd_image_t& image, bool is_noisy) noexcept {
  look_for_overflow(step, image, is_noisy);
  if (is_noisy || !keeps_previews_ || image.channel != Picture::channels) {
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

void LibrarySession::look_for_overflow(int step, const sd_image_t& latent, bool is_noisy) noexcept {
  // A handful of pixels can be alike by chance.
  constexpr std::size_t fewest_pixels = 64;
  const std::size_t pixels = std::size_t{latent.width} * latent.height;
  if (pixels < fewest_pixels) {
    return;
  }
  const std::uint8_t* first = latent.data;
  const std::uint8_t* last = first + pixels * latent.channel;
  if (!is_noisy) {
    ends_in_black_ = std::all_of(first, last, [](std::uint8_t value) { return value == 0; });
    return;
  }
  // The first step starts from noise that is no model's work. Later ones hold noise too, so one
  // single colour means NaN: all pixels are alike if each byte is like the one a pixel later.
  const bool is_first = step == 1 || step == -1;
  has_overflowed_ =
      has_overflowed_ || (!is_first && std::equal(first + latent.channel, last, first));
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
