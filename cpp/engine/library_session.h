#pragma once

#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>

#include "engine/log.h"
#include "engine/picture.h"
#include "engine/progress.h"
#include "stable-diffusion.h"

namespace gpustack_draw {

/// The right to call the library. Its log and progress callbacks belong to the whole process, and
/// it calls them while loading too; so each call into it, loading included, happens inside one
/// session, one session at a time, and hears only its own callbacks.
class LibrarySession {
 public:
  /// Waits for the session before it. Call without the GIL.
  ///
  /// @throws EngineError Called inside a callback, where it would wait for itself.
  explicit LibrarySession(LogFunction on_log);
  ~LibrarySession();
  LibrarySession(const LibrarySession&) = delete;
  LibrarySession(LibrarySession&&) = delete;
  LibrarySession& operator=(const LibrarySession&) = delete;
  LibrarySession& operator=(LibrarySession&&) = delete;

  /// What to do with the library's untagged progress. May throw where the library allows it.
  using RawProgress = std::function<void(int step, int total)>;
  void on_progress(RawProgress raw_progress) { raw_progress_ = std::move(raw_progress); }

  void make_previews(Previews previews);

  /// The preview that has come since the last call; null where none has.
  std::shared_ptr<Picture> take_preview() { return std::exchange(preview_, nullptr); }

  /// Whether a text encoder, the denoiser or the decoder has computed NaN or infinity.
  bool has_overflowed() const noexcept { return has_overflowed_; }

  /// A tensor of the model that holds NaN or infinity; empty where none has been found.
  const std::string& damaged_tensor() const noexcept { return damaged_tensor_; }

  /// `what`, followed by the last warnings and errors of the library's log: the only place where
  /// it says why something failed.
  std::string explain(const std::string& what) const;

  /// Entry points for the library's C callbacks.
  void log(LogLevel level, const char* text) noexcept;
  void progress(int step, int total);
  void preview(const sd_image_t& image) noexcept;

  /// Entry points for the functions that the library is linked with in place of its own.
  static void check_result(const float* numbers, std::size_t count) noexcept;
  static void report_damaged_tensor(const std::string& name);

 private:
  static constexpr std::size_t kept_problems = 8;

  std::unique_lock<std::mutex> only_session_;
  LogFunction on_log_;
  RawProgress raw_progress_;
  mutable std::mutex log_mutex_;  // the library's loader threads log without a lock of their own
  std::deque<std::string> problems_;
  std::shared_ptr<Picture> preview_;
  bool has_overflowed_ = false;
  std::string damaged_tensor_;
};

}  // namespace gpustack_draw
