#pragma once

#include <string>
#include <vector>

#include "engine/load_weights.h"

namespace gpustack_draw {

/// Maps weights of a model from its files instead of reading them: nothing is copied, pages that
/// other processes use are shared, and the system can drop pages when memory is short.
///
/// Weights are read where they are converted, transposed or copied to another device than a CPU,
/// and outside of a MappedFiles::Scope. While an instance exists, the loader and the tensors have
/// only those, so that the library reads them.
class MappedWeights {
 public:
  MappedWeights(ModelLoader& loader, const std::vector<std::string>& paths, Tensors& tensors);
  ~MappedWeights();
  MappedWeights(const MappedWeights&) = delete;
  MappedWeights(MappedWeights&&) = delete;
  MappedWeights& operator=(const MappedWeights&) = delete;
  MappedWeights& operator=(MappedWeights&&) = delete;

  bool empty() const noexcept { return mapped_.empty(); }

 private:
  ModelLoader& loader_;
  Tensors& tensors_;
  String2TensorStorage stored_;
  Tensors mapped_;
};

}  // namespace gpustack_draw
