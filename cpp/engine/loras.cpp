#include "engine/loras.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "engine/line_text.h"

namespace gpustack_draw {

std::vector<Lora> merged(const std::vector<Lora>& loras) {
  std::vector<Lora> sums;
  for (const Lora& lora : loras) {
    if (!std::isfinite(lora.weight)) {
      throw std::invalid_argument("the weight of a LoRA is not finite");
    }
    const auto same = std::find_if(sums.begin(), sums.end(), [&](const Lora& sum) {
      return sum.path == lora.path && sum.high_noise == lora.high_noise;
    });
    if (same == sums.end()) {
      sums.push_back(lora);
    } else {
      same->weight += lora.weight;
    }
  }
  const auto has_no_effect = [](const Lora& lora) { return lora.weight == 0.0F; };
  sums.erase(std::remove_if(sums.begin(), sums.end(), has_no_effect), sums.end());
  return sums;
}

LoraCount* LoraCount::current_ = nullptr;

void LoraCount::report_added(const std::string& tensor, int replaced) {
  if (current_ != nullptr) {
    current_->applied_ += replaced;
    current_->added_[tensor] = replaced;
  }
}

void LoraCount::set_total(int tensors) noexcept {
  if (reads_with_total_ < reads_) {
    reads_with_total_ = reads_;
    last_total_ = 0;
  }
  sum_of_totals_ += tensors - last_total_;
  last_total_ = tensors;
}

// "(8 / 8) LoRA tensors have been applied", with "Only" before it if some were not, and a line for
// each of these. Of a LoKr for a convolution the library forgets the first factor.
void LoraCount::add_line(std::string_view text) {
  const auto has = [&](std::string_view part) { return text.find(part) != std::string_view::npos; };
  if (has(") LoRA tensors have been applied")) {
    applied_ += leading_number(text.substr(text.find('(') + 1));
  } else if (has("unused lora tensor |")) {
    const std::string_view rest = text.substr(text.find('|') + 1);
    const std::string name(rest.substr(0, rest.find('|')));
    const auto added = added_.find(name);
    applied_ -= added == added_.end() ? 0 : added->second;
    unused_first_factors_ += has(".lokr_w2_a|") ? 1 : 0;
    unused_second_factors_ += has(".lokr_w2_b|") ? 1 : 0;
  }
}

LoraTensors LoraCount::result() const noexcept {
  const int forgotten = std::max(unused_first_factors_ - unused_second_factors_, 0);
  return {applied_ + forgotten, reads_ == 0 ? 0 : sum_of_totals_ / std::max(reads_ / files_, 1)};
}

}  // namespace gpustack_draw
