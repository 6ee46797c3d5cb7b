#pragma once

#include <stdexcept>

namespace gpustack_draw {

/// The library failed: a model did not load, or a picture was not drawn. what() quotes its log.
class EngineError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A load or a drawing ended because cancel() was called or a callback asked for it.
class CancelledError : public EngineError {
 public:
  CancelledError() : EngineError("cancelled") {}
};

/// A model's weights are not all numbers. what() is the name of a tensor with NaN or infinity in
/// it.
class DamagedModelError : public EngineError {
 public:
  using EngineError::EngineError;
};

/// The numbers of a picture left the range of their type (NaN): there is nothing to see in it.
class OverflowError : public EngineError {
 public:
  OverflowError() : EngineError("its numbers overflowed") {}
};

}  // namespace gpustack_draw
