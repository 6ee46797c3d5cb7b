#pragma once

#include <functional>
#include <memory>

#include "engine/picture.h"

namespace gpustack_draw {

/// What the engine is doing, in this order. Picture parts are drawn step by step in `sample`.
enum class Phase { load, encode, sample, decode };

/// How progress shows what has been drawn by the end of a step.
enum class Previews {
  none,
  projected,  ///< A pixel for each place of the latent picture, by a matrix: costs next to nothing.
  decoded,    ///< In full size, by the decoder, which is not made for doing that at every step.
};

struct Progress {
  Phase phase;
  int step;                          ///< Finished steps of this phase, from 0 to total.
  int total;                         ///< Steps of this phase, at least 1.
  double seconds;                    ///< Since this phase began.
  std::shared_ptr<Picture> preview;  ///< What the picture looks like so far; null where unknown.
};

/// Called on the thread that loads or generates. False asks the engine to stop.
using ProgressFunction = std::function<bool(const Progress&)>;

/// Asked now and then on the thread that generates, amid a step too. False asks the engine to stop.
using WantedFunction = std::function<bool()>;

}  // namespace gpustack_draw
