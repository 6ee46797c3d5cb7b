#pragma once

#include <cstddef>
#include <string>

namespace gpustack_draw {

/// Collects NaN and infinity found while an instance exists; one instance at a time.
///
/// The functions that replace some of the library's own get no user data, so the instance is found
/// through a static pointer.
class NumberChecks {
 public:
  NumberChecks() noexcept;
  ~NumberChecks();
  NumberChecks(const NumberChecks&) = delete;
  NumberChecks(NumberChecks&&) = delete;
  NumberChecks& operator=(const NumberChecks&) = delete;
  NumberChecks& operator=(NumberChecks&&) = delete;

  /// True if a text encoder, the denoiser or the decoder has computed NaN or infinity.
  bool has_overflowed() const noexcept { return has_overflowed_; }

  /// Name of a tensor of the model that contains NaN or infinity; empty if none was found.
  const std::string& damaged_tensor() const noexcept { return damaged_tensor_; }

  /// Called by the replaced functions. Without an instance they do nothing.
  static void check_result(const float* numbers, std::size_t count) noexcept;
  static void report_damaged_tensor(const std::string& name);

 private:
  static NumberChecks* current_;

  bool has_overflowed_ = false;
  std::string damaged_tensor_;
};

}  // namespace gpustack_draw
