#include "engine/drawing_progress.h"

#include <string_view>

#include "engine/errors.h"
#include "engine/line_text.h"

namespace gpustack_draw {

void DrawingProgress::begin(bool encodes_pictures) {
  continue_or_throw(true);
  continue_or_throw(clock_.enter(encodes_pictures ? Phase::encode_pictures : Phase::encode, 1));
}

void DrawingProgress::add_line(const char* line) {
  const std::string_view text = line_text(line);
  if (starts_with(text, "sampling using ")) {
    continue_or_throw(true);
    may_load_files_ = false;
  } else if (clock_.phase() == Phase::encode_pictures &&
             starts_with(text, "encode_first_stage completed")) {
    continue_or_throw(true);
    continue_or_throw(clock_.finish());
    continue_or_throw(clock_.enter(Phase::encode, 1));
  } else if (starts_with(text, "get_learned_condition completed")) {
    continue_or_throw(true);
    has_encoded_ = true;
    continue_or_throw(clock_.finish());
  } else if (starts_with(text, "sampling completed")) {
    continue_or_throw(clock_.enter(Phase::decode, 1));
  }
}

void DrawingProgress::report(int step, int total) {
  if (may_load_files_) {
    return;  // loader threads may run: an exception would end the process
  }
  continue_or_throw(true);
  if (has_encoded_ && clock_.phase() == Phase::encode) {
    continue_or_throw(clock_.enter(Phase::sample, total));
  }
  continue_or_throw(step == 0 || clock_.report(step, total, session_.take_preview()));
}

void DrawingProgress::finish() { continue_or_throw(clock_.finish()); }

void DrawingProgress::continue_or_throw(bool can_continue) {
  if (session_.number_checks().has_overflowed()) {
    throw OverflowError();
  }
  if (!can_continue || should_stop_()) {
    throw CancelledError();
  }
}

}  // namespace gpustack_draw
