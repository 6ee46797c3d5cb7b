#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/errors.h"
#include "engine/log.h"
#include "engine/picture.h"
#include "engine/progress.h"

struct sd_ctx_t;

namespace gpustack_draw {

/// The files of one model and where it runs. Paths are UTF-8; an empty one is not used.
struct ModelOptions {
  std::string model;            ///< An all-in-one file, or a folder in diffusers layout.
  std::string diffusion_model;  ///< Instead of `model`: a file with the diffusion part only.
  std::string vae;
  std::string clip_l;
  std::string clip_g;
  std::string t5xxl;
  std::string llm;
  std::string taesd;            ///< A small decoder used instead of the VAE.
  std::string device = "auto";  ///< See use_device().
  int threads = 0;              ///< CPU threads; 0 for as many as the library takes.
};

/// What to draw. Values are checked by the caller; the library checks few of them.
struct DrawOptions {
  std::string prompt;
  std::string negative_prompt;
  int width;              ///< Pixels, a multiple of what the model needs.
  int height;             ///< Pixels, a multiple of what the model needs.
  std::string sampler;    ///< One of samplers().
  std::string scheduler;  ///< One of schedulers().
  int sample_steps;       ///< At least 1.
  float cfg_scale;        ///< Classifier-free guidance; 1 is without.
  float guidance;         ///< Distilled guidance (FLUX.1 dev and others).
  std::int64_t seed;      ///< 0 or more.
  Previews previews;
};

/// A loaded model, ready to draw. The one owner of the library's context.
///
/// Calls wait for each other, also those of other engines (see LibrarySession). After a failure or
/// a cancellation the context is dropped, because the library does not promise that it can be used
/// again: generate() then throws EngineError.
class Engine {
 public:
  /// Load a model.
  ///
  /// @throws CancelledError `on_progress` returned false; the library cannot be stopped while it
  ///     loads, so this comes when loading has ended.
  /// @throws DamagedModelError A tensor holds NaN or infinity.
  /// @throws EngineError The model did not load; what() quotes the library's log. Or: called inside
  ///     a callback.
  /// @throws std::invalid_argument No device has that name.
  Engine(const ModelOptions& options, const LogFunction& on_log,
         const ProgressFunction& on_progress);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine(Engine&&) = delete;
  Engine& operator=(const Engine&) = delete;
  Engine& operator=(Engine&&) = delete;

  /// Draw one picture; a model of videos gives one frame.
  ///
  /// @throws CancelledError cancel() was called, or `on_progress` or `is_wanted` returned false.
  /// @throws OverflowError The numbers became NaN or infinity on their way to the picture.
  /// @throws EngineError The library gave no picture; what() quotes its log. Or: called inside a
  ///     callback.
  /// @throws std::invalid_argument The sampler or scheduler has no such name.
  Picture generate(const DrawOptions& options, const LogFunction& on_log,
                   const ProgressFunction& on_progress, const WantedFunction& is_wanted);

  /// Stop the calls of generate() that were made before: the one that draws at once where our own
  /// backend computes, else at its next step; those that wait when their turn comes. From any
  /// thread or a signal handler.
  void cancel() noexcept { ++cancellations_; }

  /// Whether generate() can still be called.
  bool is_usable() const noexcept { return usable_; }

  /// The device the model was loaded on.
  const std::string& device() const noexcept { return device_; }

 private:
  struct FreeContext {
    void operator()(sd_ctx_t* context) const noexcept;
  };

  std::unique_ptr<sd_ctx_t, FreeContext> context_;
  std::string device_;
  std::atomic<unsigned> cancellations_{0};
  std::atomic<bool> usable_{false};
};

}  // namespace gpustack_draw
