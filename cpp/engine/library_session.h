#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "engine/log.h"
#include "engine/number_checks.h"
#include "engine/picture.h"
#include "engine/progress.h"
#include "engine/session_log.h"
#include "stable-diffusion.h"

namespace gpustack_draw {

/// Exclusive access to the library, with the callbacks of one caller.
///
/// The library has one log callback and one progress callback per process, and calls them while it
/// loads too. So every call into it, loading included, happens inside a session; sessions wait for
/// each other, and each receives only its own callbacks.
class LibrarySession {
 public:
  /// Waits for the previous session. Call without the GIL.
  ///
  /// @throws EngineError Called inside a callback, where it would wait for itself.
  explicit LibrarySession(LogFunction on_log);
  ~LibrarySession();
  LibrarySession(const LibrarySession&) = delete;
  LibrarySession(LibrarySession&&) = delete;
  LibrarySession& operator=(const LibrarySession&) = delete;
  LibrarySession& operator=(LibrarySession&&) = delete;

  /// Receives the library's progress, which has no phases. May throw while the library draws, but
  /// not while it loads.
  using RawProgress = std::function<void(int step, int total)>;
  void on_progress(RawProgress raw_progress) { raw_progress_ = std::move(raw_progress); }

  /// Receives the library's log of the thread that created this session, without DEBUG lines. May
  /// throw while the library draws.
  using LineFunction = std::function<void(const char* line)>;
  void on_line(LineFunction on_line) { on_line_ = std::move(on_line); }

  void make_previews(Previews previews);

  /// Returns the preview received since the last call; null if there is none.
  std::shared_ptr<Picture> take_preview() { return std::exchange(preview_, nullptr); }

  const NumberChecks& number_checks() const noexcept { return number_checks_; }

  /// See SessionLog::explain().
  std::string explain(const std::string& failure) const { return log_.explain(failure); }

 private:
  void add_line(sd_log_level_t level, const char* line);
  void keep_preview(const sd_image_t& image) noexcept;

  std::unique_lock<std::mutex> exclusive_;
  std::thread::id thread_ = std::this_thread::get_id();
  SessionLog log_;
  LineFunction on_line_;
  RawProgress raw_progress_;
  std::shared_ptr<Picture> preview_;
  NumberChecks number_checks_;
};

}  // namespace gpustack_draw
