#pragma once

#include <functional>
#include <memory>

#include "engine/picture.h"

namespace gpustack_draw {

/// The engine's phases, in order. `load_loras` is left out without LoRAs, and `encode_pictures`
/// without input pictures; `encode` encodes the prompt; `sample` has a step per denoising step. An
/// upscaling model has the phases `load` and `upscale`.
enum class Phase { load, load_loras, encode_pictures, encode, sample, decode, upscale };

/// Previews of the unfinished picture in the progress.
enum class Previews {
  none,
  projected,  ///< One pixel per latent pixel, by a linear projection: nearly free.
  decoded,    ///< Full size, by the decoder: usually slow.
};

struct Progress {
  Phase phase;
  int step;                          ///< Completed steps of this phase, from 0 to total.
  int total;                         ///< Steps of this phase, at least 1.
  double seconds;                    ///< Time since this phase began.
  std::shared_ptr<Picture> preview;  ///< The unfinished picture; null if there is no new preview.
};

/// Called on the thread that loads or draws. False stops the engine.
using ProgressFunction = std::function<bool(const Progress&)>;

/// Polled on the thread that draws, within steps too. False stops the engine.
using ContinueFunction = std::function<bool()>;

}  // namespace gpustack_draw
