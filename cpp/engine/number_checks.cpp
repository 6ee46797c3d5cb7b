#include "engine/number_checks.h"

#include "engine/finite.h"

namespace gpustack_draw {

NumberChecks* NumberChecks::current_ = nullptr;

NumberChecks::NumberChecks() noexcept { current_ = this; }

NumberChecks::~NumberChecks() { current_ = nullptr; }

void NumberChecks::check_result(const float* numbers, std::size_t count) noexcept {
  if (current_ != nullptr && !are_finite(numbers, count)) {
    current_->has_overflowed_ = true;
  }
}

void NumberChecks::report_damaged_tensor(const std::string& name) {
  if (current_ != nullptr) {
    current_->damaged_tensor_ = name;
  }
}

}  // namespace gpustack_draw
