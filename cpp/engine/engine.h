#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/errors.h"
#include "engine/input_pictures.h"
#include "engine/log.h"
#include "engine/loras.h"
#include "engine/mapped_files.h"
#include "engine/picture.h"
#include "engine/progress.h"
#include "engine/prompt.h"

struct sd_ctx_t;

namespace gpustack_draw {

/// Paths by the names in named_parameters.cpp.
using Files = std::map<std::string, std::string>;

/// Numbers by the names in named_parameters.cpp; the library's default for a missing one.
using Numbers = std::map<std::string, double>;

/// The files of a model, and where it runs.
struct ModelOptions {
  Files files;
  Files embeddings;  ///< Files of one F32 matrix, by the words of prompts that stand for its rows.
  Numbers numbers;
  std::string device = "auto";   ///< See use_device().
  bool encode_pictures = false;  ///< Load the encoder of the VAE too, for InputPictures.
};

/// Settings of a picture. The caller checks them; the library checks only a few.
struct DrawOptions {
  Prompt prompt;
  Prompt negative_prompt;
  int width;              ///< In pixels, a multiple of what the model needs.
  int height;             ///< In pixels, a multiple of what the model needs.
  std::string sampler;    ///< One of samplers().
  std::string scheduler;  ///< One of schedulers().
  /// The library's name of a latent upscaler: a second pass draws the picture in the size of the
  /// numbers `hires_width` and `hires_height`. Empty for one pass.
  std::string hires_upscaler;
  Numbers numbers;
  std::vector<float> sigmas;     ///< Noise levels of the steps, falling to 0; empty for a schedule.
  std::vector<int> skip_layers;  ///< Layers for skip-layer guidance, from 0; usually empty.
  std::int64_t seed;             ///< 0 or more.
  Previews previews;
  InputPictures pictures;
  std::vector<Lora> loras;
};

/// A loaded model; owns the library's context.
///
/// Calls wait for each other, even those of other engines (see LibrarySession). A failed drawing
/// frees the context, because the library does not guarantee that it is still usable; later calls
/// of generate() throw EngineError. A cancelled drawing leaves no trace (see GraphStop).
class Engine {
 public:
  /// Loads a model.
  ///
  /// @throws CancelledError `on_progress` returned false. Thrown when loading has ended, because
  /// the
  ///     library cannot be stopped while it loads.
  /// @throws DamagedModelError A tensor contains NaN or infinity.
  /// @throws EngineError The model did not load; what() quotes the library's log. Or: called inside
  ///     a callback.
  /// @throws std::invalid_argument No device, file or number has that name.
  Engine(const ModelOptions& options, const LogFunction& on_log,
         const ProgressFunction& on_progress);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine(Engine&&) = delete;
  Engine& operator=(const Engine&) = delete;
  Engine& operator=(Engine&&) = delete;

  /// Draws one picture. A video model draws a video of one frame.
  ///
  /// @throws CancelledError cancel() was called, or `on_progress` or `should_continue` returned
  ///     false.
  /// @throws OverflowError NaN or infinity was computed.
  /// @throws DamagedLoraError A LoRA contains NaN or infinity.
  /// @throws EngineError The library drew no picture or could not load a LoRA; what() quotes its
  ///     log. Or: called inside a callback.
  /// @throws std::invalid_argument No sampler, scheduler, latent upscaler or number has that
  ///     name, a number is out of its range, or a picture does not fit the drawing or the model.
  Picture generate(const DrawOptions& options, const LogFunction& on_log,
                   const ProgressFunction& on_progress, const ContinueFunction& should_continue);

  /// Cancels all earlier calls of generate(). The running one stops immediately on a CPU and before
  /// its next graph on other devices; one that loads LoRAs, after some tensors. Waiting ones stop
  /// when their turn comes. Callable from any thread and from signal handlers.
  void cancel() noexcept { ++cancellations_; }

  /// True if generate() can be called.
  bool is_usable() const noexcept { return usable_; }

  /// Name of the device that the model was loaded on.
  const std::string& device() const noexcept { return device_; }

 private:
  struct FreeContext {
    void operator()(sd_ctx_t* context) const noexcept;
  };

  void check(const DrawOptions& options) const;

  MappedFiles files_;
  std::unique_ptr<sd_ctx_t, FreeContext> context_;
  std::string device_;
  bool encodes_pictures_;
  bool has_control_net_;
  bool splits_graphs_;  // the library keeps pointers into a part of a graph that fails
  bool takes_control_net_ = false;
  bool takes_references_ = true;
  std::atomic<unsigned> cancellations_{0};
  std::atomic<bool> usable_{false};
};

}  // namespace gpustack_draw
