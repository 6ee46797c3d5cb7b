#include "engine/drawing_progress.h"

#include <string_view>

#include "engine/errors.h"
#include "engine/line_text.h"

namespace gpustack_draw {

void DrawingProgress::begin(bool encodes_pictures) {
  continue_or_throw(true);
  encodes_pictures_ = encodes_pictures;
  if (loras_.files() == 0) {
    begin_encoding();
  } else {
    continue_or_throw(clock_.enter(Phase::load_loras, loras_.files() * LoraCount::reads_per_file));
  }
}

void DrawingProgress::begin_encoding() {
  continue_or_throw(clock_.enter(encodes_pictures_ ? Phase::encode_pictures : Phase::encode, 1));
}

void DrawingProgress::add_lora_line(std::string_view text) {
  if (starts_with(text, "loading LoRA from ")) {
    continue_or_throw(true);
    continue_or_throw(loras_.reads() == 0 ||
                      clock_.report(loras_.reads(), loras_.files() * LoraCount::reads_per_file));
    loras_.begin_file();
  } else if (starts_with(text, "load lora tensors from ")) {  // ... failed
    // The library would draw without it.
    throw EngineError(session_.explain("the engine could not load a LoRA"));
  } else if (starts_with(text, "apply_loras completed")) {
    continue_or_throw(clock_.finish());
    begin_encoding();
  }
}

void DrawingProgress::add_line(const char* line) {
  const std::string_view text = line_text(line);
  if (clock_.phase() == Phase::load_loras) {
    add_lora_line(text);
    return;
  }
  loras_.add_line(text);
  step_cache_.add_line(text);
  if (starts_with(text, "sampling using ")) {
    may_load_files_ = false;
    can_continue();
  } else if (clock_.phase() == Phase::encode_pictures &&
             starts_with(text, "encode_first_stage completed")) {
    if (can_continue()) {
      stop_unless(clock_.finish() && clock_.enter(Phase::encode, 1));
    }
  } else if (starts_with(text, "get_learned_condition completed")) {
    samples_next_ = true;
    if (can_continue()) {
      stop_unless(clock_.finish());
    }
  } else if (starts_with(text, "sampling completed") || starts_with(text, "hires sampling ")) {
    samples_next_ = --passes_left_ > 0;
    if (can_continue()) {
      stop_unless(samples_next_ || clock_.enter(Phase::decode, 1));
    }
  }
}

void DrawingProgress::report(int step, int total) {
  if (may_load_files_) {
    // Loader threads may run: an exception would end the process.
    should_stop_();
    if (clock_.phase() == Phase::load_loras) {
      loras_.set_total(total);
    }
    return;
  }
  if (!can_continue()) {
    return;
  }
  if (samples_next_) {
    samples_next_ = false;
    step_cache_.begin_pass(total);
    stop_unless(clock_.enter(Phase::sample, total));
  }
  if (clock_.phase() != Phase::sample) {
    report_tile(step, total);
  } else if (step != 0 && !should_stop_()) {
    stop_unless(clock_.report(step, total, session_.take_preview()));
  }
}

void DrawingProgress::report_tile(int step, int total) {
  if (tiled_phase_ != clock_.phase()) {
    tiled_phase_ = clock_.phase();
    tiles_ = 0;
  }
  if (step == 0) {
    earlier_tiles_ = tiles_;
    tiles_ += total;
  }
  stop_unless(clock_.report(earlier_tiles_ + step, tiles_));
}

bool DrawingProgress::encodes_text() const {
  return clock_.phase() == Phase::encode && !samples_next_;
}

std::optional<LoraTensors> DrawingProgress::lora_tensors() const {
  return loras_.files() == 0 ? std::nullopt : std::optional(loras_.result());
}

void DrawingProgress::finish() { continue_or_throw(clock_.finish()); }

bool DrawingProgress::can_continue() {
  if (should_stop_()) {
    return false;
  }
  if (session_.number_checks().has_overflowed()) {
    throw OverflowError();
  }
  return true;
}

void DrawingProgress::stop_unless(bool can_continue) {
  if (!can_continue) {
    should_stop_.stop();
  }
}

void DrawingProgress::continue_or_throw(bool can_continue_now) {
  stop_unless(can_continue_now);
  if (!can_continue()) {
    throw CancelledError();
  }
}

}  // namespace gpustack_draw
