#include "engine/upscaler.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <vector>

#include "cpu/backend.h"
#include "engine/devices.h"
#include "engine/graph_stop.h"
#include "engine/library_context.h"
#include "engine/library_session.h"
#include "engine/phase_clock.h"
#include "engine/stop_check.h"
#include "engine/upscale_tiles.h"
#include "stable-diffusion.h"

namespace gpustack_draw {
namespace {

// With this margin, the 16 columns beside a cut differed from the picture that RealESRGAN_x4plus
// makes at once by 0.4 levels on average and by 3 at most; with a margin of 16 by 0.6 and 4.
constexpr std::size_t tile_margin = 32;

constexpr std::size_t channels = Picture::channels;

struct Tile {
  TileSpan x;
  TileSpan y;
};

std::vector<Tile> divide(const InputPicture& picture, std::size_t tile_size) {
  std::vector<Tile> tiles;
  for (const TileSpan& y : divide_side(picture.height, tile_size, tile_margin)) {
    for (const TileSpan& x : divide_side(picture.width, tile_size, tile_margin)) {
      tiles.push_back({x, y});
    }
  }
  return tiles;
}

std::vector<std::uint8_t> cut_out(const InputPicture& picture, const Tile& tile) {
  const std::size_t row = (tile.x.read_end - tile.x.read_begin) * channels;
  std::vector<std::uint8_t> samples;
  samples.reserve(row * (tile.y.read_end - tile.y.read_begin));
  for (std::size_t y = tile.y.read_begin; y < tile.y.read_end; ++y) {
    const auto begin =
        picture.samples.begin() +
        static_cast<std::ptrdiff_t>((y * picture.width + tile.x.read_begin) * channels);
    samples.insert(samples.end(), begin, begin + static_cast<std::ptrdiff_t>(row));
  }
  return samples;
}

Picture upscale_tile(upscaler_ctx_t* context, const InputPicture& picture, const Tile& tile,
                     std::size_t scale, const LibrarySession& session, StopCheck& should_stop) {
  std::vector<std::uint8_t> samples = cut_out(picture, tile);
  const std::size_t width = tile.x.read_end - tile.x.read_begin;
  const std::size_t height = tile.y.read_end - tile.y.read_begin;
  const sd_image_t input{static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height),
                         static_cast<std::uint32_t>(channels), samples.data()};
  const sd_image_t image = ::upscale(context, input, static_cast<std::uint32_t>(scale));
  Picture upscaled(image.width, image.height, Picture::Pixels(image.data));
  if (should_stop()) {
    throw CancelledError();
  }
  if (session.number_checks().has_overflowed()) {
    throw OverflowError();
  }
  if (image.data == nullptr || image.channel != channels || image.width != width * scale ||
      image.height != height * scale) {
    throw EngineError(session.explain("the engine did not upscale the picture"));
  }
  return upscaled;
}

// Copies a tile without its margin into the picture.
void paste(const Picture& upscaled, const Tile& tile, std::size_t scale, const Picture& result) {
  const std::size_t row = (tile.x.end - tile.x.begin) * scale * channels;
  const std::size_t left = (tile.x.begin - tile.x.read_begin) * scale;
  for (std::size_t y = tile.y.begin * scale; y < tile.y.end * scale; ++y) {
    const std::size_t from = (y - tile.y.read_begin * scale) * upscaled.width() + left;
    const std::size_t to = y * result.width() + tile.x.begin * scale;
    std::copy_n(upscaled.pixels() + from * channels, row, result.pixels() + to * channels);
  }
}

class TileProgress {
 public:
  TileProgress(const ProgressFunction& on_progress, std::size_t tiles, int steps_per_tile)
      : clock_(on_progress, Phase::upscale),
        steps_per_tile_(steps_per_tile),
        total_(static_cast<int>(tiles) * steps_per_tile) {}

  // All functions return false if the engine must stop, also after an earlier one did.

  bool begin() { return clock_.enter(Phase::upscale, total_); }

  // `part` is the part of the current tile that is done, from 0 to 1.
  bool report(double part) {
    const int step = done_ + static_cast<int>(part * steps_per_tile_);
    if (step > reported_) {
      reported_ = step;
      can_continue_ = clock_.report(step, total_) && can_continue_;
    }
    return can_continue_;
  }

  bool finish_tile() {
    const bool can_continue = report(1);
    done_ += steps_per_tile_;
    return can_continue;
  }

 private:
  PhaseClock clock_;
  int steps_per_tile_;
  int total_;
  int done_ = 0;
  int reported_ = 0;
  bool can_continue_ = true;
};

Picture blank_picture(std::size_t width, std::size_t height) {
  Picture::Pixels pixels(static_cast<std::uint8_t*>(std::malloc(width * height * channels)));
  if (pixels == nullptr) {
    throw std::bad_alloc();
  }
  return Picture(width, height, std::move(pixels));
}

}  // namespace

void Upscaler::FreeContext::operator()(upscaler_ctx_t* context) const noexcept {
  free_upscaler_ctx(context);
  cpu::release_cached_memory();
}

Upscaler::Upscaler(const UpscalerOptions& options, const LogFunction& on_log,
                   const ProgressFunction& on_progress)
    : tile_size_(options.tile_size) {
  if (options.tile_size == 0) {
    throw std::invalid_argument("the tile size is 0");
  }
  LibrarySession session(on_log);
  device_ = use_device(options.device);
  const int threads = options.threads > 0 ? options.threads : sd_get_num_physical_cores();
  // Direct convolutions are the fast ones of FastCPU; ggml's own are faster with im2col.
  const bool direct = device_ == cpu::device_name;
  load_context(session, on_progress, [&] {
    // With bf16, differences of several levels were found: each of its hundreds of layers rounds.
    const cpu::ScopedF32 f32;
    // Tile size 0: the library upscales each picture as a whole.
    context_.reset(new_upscaler_ctx(options.model.c_str(), /*offload_params_to_cpu=*/false, direct,
                                    threads, /*tile_size=*/0));
    return context_ != nullptr;
  });
  scale_ = get_upscale_factor(context_.get());
}

Upscaler::~Upscaler() {
  free_context([this] { context_.reset(); });
}

Picture Upscaler::upscale(const InputPicture& picture, const LogFunction& on_log,
                          const ProgressFunction& on_progress,
                          const ContinueFunction& should_continue) {
  LibrarySession session(on_log);
  if (!context_) {
    throw EngineError("an earlier call failed; load the model again");
  }
  check_rgb(picture, "the picture");
  std::atomic<bool> stop{false};
  StopCheck should_stop([&] { return stop.load(); }, should_continue);
  const cpu::ScopedCancellation cancellation(std::ref(should_stop));
  const GraphStop graph_stop(std::ref(should_stop), [] { return false; });
  try {
    const auto scale = static_cast<std::size_t>(scale_);
    const std::vector<Tile> tiles = divide(picture, tile_size_);
    TileProgress progress(on_progress, tiles.size(), device_ == cpu::device_name ? 100 : 1);
    const cpu::ScopedProgress within_tile([&](double part) { stop = !progress.report(part); });
    Picture result = blank_picture(picture.width * scale, picture.height * scale);
    stop = !progress.begin();
    for (const Tile& tile : tiles) {
      if (should_stop()) {
        throw CancelledError();
      }
      paste(upscale_tile(context_.get(), picture, tile, scale, session, should_stop), tile, scale,
            result);
      stop = !progress.finish_tile();
    }
    if (stop) {
      throw CancelledError();
    }
    return result;
  } catch (const CancelledError&) {
    throw;  // nothing of the picture is left in the context
  } catch (...) {
    context_.reset();
    rethrow_explained(session, "the engine did not upscale the picture");
  }
}

}  // namespace gpustack_draw
