#pragma once

#include <stdexcept>

namespace gpustack_draw {

/// The library failed to load a model or to draw a picture. what() quotes its log.
class EngineError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A load or a drawing was stopped by cancel() or by a callback.
class CancelledError : public EngineError {
 public:
  CancelledError() : EngineError("cancelled") {}
};

/// A tensor of the model contains NaN or infinity. what() is its name.
class DamagedModelError : public EngineError {
 public:
  using EngineError::EngineError;
};

/// A LoRA contains NaN or infinity. what() is its path.
class DamagedLoraError : public EngineError {
 public:
  using EngineError::EngineError;
};

/// NaN or infinity was computed, so there is no picture.
class OverflowError : public EngineError {
 public:
  OverflowError() : EngineError("its numbers overflowed") {}
};

}  // namespace gpustack_draw
