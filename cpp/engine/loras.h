#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gpustack_draw {

/// A file with small matrices that are added to the model's weights while it draws.
struct Lora {
  std::string path;
  float weight = 1.0F;      ///< Factor of its matrices.
  bool high_noise = false;  ///< For the model of the early steps, if the family has two models.
};

/// Sums the weights of entries for the same file, because the library uses only the last one, and
/// leaves out those that sum to 0.
///
/// @throws std::invalid_argument A weight is infinite or NaN.
std::vector<Lora> merged(const std::vector<Lora>& loras);

/// Tensors of all LoRAs of a drawing.
struct LoraTensors {
  int applied = 0;  ///< Those that changed the drawing; their scales included.
  int total = 0;    ///< Those in the files.
};

/// Counts the tensors of LoRAs from the library's log and progress; one instance at a time.
class LoraCount {
 public:
  /// The library reads each file once for each of these: the text encoders, the denoiser, the VAE.
  static constexpr int reads_per_file = 3;

  explicit LoraCount(std::size_t files) : files_(static_cast<int>(files)) { current_ = this; }
  ~LoraCount() { current_ = nullptr; }
  LoraCount(const LoraCount&) = delete;
  LoraCount(LoraCount&&) = delete;
  LoraCount& operator=(const LoraCount&) = delete;
  LoraCount& operator=(LoraCount&&) = delete;

  int files() const noexcept { return files_; }
  int reads() const noexcept { return reads_; }

  /// Call when the library begins to read a file.
  void begin_file() noexcept { ++reads_; }

  /// Call with the number of tensors of the file that is read; the last number counts.
  void set_total(int tensors) noexcept;

  /// Call with each line of the library's log.
  void add_line(std::string_view text);

  LoraTensors result() const noexcept;

  /// Called where a tensor is added to a file's, which the library counts as one: `replaced` is the
  /// number of the file's tensors that it replaces, less itself. Without an instance it does
  /// nothing.
  static void report_added(const std::string& tensor, int replaced);

 private:
  static LoraCount* current_;

  int files_;
  int reads_ = 0;
  int reads_with_total_ = 0;
  int last_total_ = 0;
  int sum_of_totals_ = 0;
  int applied_ = 0;
  std::map<std::string, int> added_;
  int unused_first_factors_ = 0;
  int unused_second_factors_ = 0;
};

}  // namespace gpustack_draw
