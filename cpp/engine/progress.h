#pragma once

#include <functional>

namespace gpustack_draw {

/// What the engine is doing, in this order. Picture parts are drawn step by step in `sample`.
enum class Phase { load, encode, sample, decode };

struct Progress {
  Phase phase;
  int step;        ///< Finished steps of this phase, from 0 to total.
  int total;       ///< Steps of this phase, at least 1.
  double seconds;  ///< Since this phase began.
};

/// Called on the thread that loads or generates. False asks the engine to stop.
using ProgressFunction = std::function<bool(const Progress&)>;

/// Asked now and then on the thread that generates, amid a step too. False asks the engine to stop.
using WantedFunction = std::function<bool()>;

}  // namespace gpustack_draw
