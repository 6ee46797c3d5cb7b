#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "engine/errors.h"
#include "engine/input_pictures.h"
#include "engine/log.h"
#include "engine/picture.h"
#include "engine/progress.h"

struct upscaler_ctx_t;

namespace gpustack_draw {

/// An upscaling model, and where it runs.
struct UpscalerOptions {
  std::string model;            ///< Path of the model's file.
  std::string device = "auto";  ///< See use_device().
  int threads = 0;              ///< CPU threads; 0 for one per physical core.
  std::size_t tile_size = 256;  ///< Largest side of a tile, in pixels of the input.
};

/// A loaded upscaling model (ESRGAN); owns the library's context.
///
/// Calls wait for each other and for those of engines (see LibrarySession). A failed call frees the
/// context; later calls of upscale() throw EngineError. A cancelled one leaves no trace.
class Upscaler {
 public:
  /// Loads a model. The library reads past what it expects in a file of another architecture, so
  /// the caller checks the file.
  ///
  /// @throws CancelledError `on_progress` returned false. Thrown when loading has ended.
  /// @throws DamagedModelError A tensor contains NaN or infinity.
  /// @throws EngineError The model did not load; what() quotes the library's log.
  /// @throws std::invalid_argument No device has that name, or the tile size is 0.
  Upscaler(const UpscalerOptions& options, const LogFunction& on_log,
           const ProgressFunction& on_progress);
  ~Upscaler();
  Upscaler(const Upscaler&) = delete;
  Upscaler(Upscaler&&) = delete;
  Upscaler& operator=(const Upscaler&) = delete;
  Upscaler& operator=(Upscaler&&) = delete;

  /// Upscales an RGB picture by scale(), tile by tile. Each tile is many steps of progress on
  /// FastCPU and one step on other devices.
  ///
  /// @throws CancelledError `on_progress` or `should_continue` returned false: immediately on
  ///     a CPU, after the current tile on other devices.
  /// @throws OverflowError NaN or infinity was computed.
  /// @throws EngineError The library returned no picture; what() quotes its log.
  /// @throws std::invalid_argument The picture has no pixels.
  Picture upscale(const InputPicture& picture, const LogFunction& on_log,
                  const ProgressFunction& on_progress, const ContinueFunction& should_continue);

  /// Factor by which the model enlarges both sides: 1, 2 or 4.
  int scale() const noexcept { return scale_; }

  /// True if upscale() can be called.
  bool is_usable() const noexcept { return context_ != nullptr; }

  /// Name of the device that the model was loaded on.
  const std::string& device() const noexcept { return device_; }

 private:
  struct FreeContext {
    void operator()(upscaler_ctx_t* context) const noexcept;
  };

  std::unique_ptr<upscaler_ctx_t, FreeContext> context_;
  std::string device_;
  std::size_t tile_size_;
  int scale_ = 1;
};

}  // namespace gpustack_draw
