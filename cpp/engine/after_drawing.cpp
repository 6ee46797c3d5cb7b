#include "engine/after_drawing.h"

#include <utility>

namespace gpustack_draw {

AfterDrawing* AfterDrawing::current_ = nullptr;

void AfterDrawing::succeed() const {
  for (const std::function<void()>& function : functions_) {
    function();
  }
}

void AfterDrawing::on_success(std::function<void()> function) {
  if (current_ != nullptr) {
    current_->functions_.push_back(std::move(function));
  }
}

}  // namespace gpustack_draw
