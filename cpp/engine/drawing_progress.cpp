#include "engine/drawing_progress.h"

#include <string_view>

#include "engine/errors.h"

namespace gpustack_draw {
namespace {

// Removes the place in the source: "stable-diffusion.cpp:3168 - get_learned_condition completed".
std::string_view text_of(std::string_view line) {
  constexpr std::string_view separator = " - ";
  const std::size_t found = line.find(separator);
  return found == std::string_view::npos ? line : line.substr(found + separator.size());
}

bool starts_with(std::string_view text, std::string_view beginning) {
  return text.substr(0, beginning.size()) == beginning;
}

}  // namespace

void DrawingProgress::begin() {
  continue_or_throw(true);
  continue_or_throw(clock_.enter(Phase::encode, 1));
}

void DrawingProgress::add_line(const char* line) {
  const std::string_view text = text_of(line);
  if (starts_with(text, "sampling using ")) {
    may_load_files_ = false;
    continue_or_throw(true);
  } else if (starts_with(text, "get_learned_condition completed")) {
    has_encoded_ = true;
    continue_or_throw(clock_.report(1, 1));
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
