#pragma once

#include <optional>
#include <string_view>

#include "engine/library_session.h"
#include "engine/loras.h"
#include "engine/phase_clock.h"
#include "engine/step_cache.h"
#include "engine/stop_check.h"

namespace gpustack_draw {

/// Turns the library's log and progress into the phases of a drawing.
///
/// The library reports the denoising steps, the tiles of the autoencoder and the tensors of loaded
/// files alike. Only its INFO lines tell them apart.
///
/// A drawing that must stop, because a progress function returned false, stops the `should_stop`
/// from which GraphStop takes it; its later lines and steps are ignored. Where the library has
/// begun nothing yet, CancelledError is thrown instead: before it is called, while it loads LoRAs,
/// which it forgets at the next drawing, and after it has returned. Every function throws
/// OverflowError if NaN or infinity was computed.
class DrawingProgress {
 public:
  /// @param loras Number of LoRAs.
  /// @param passes How often the library denoises: 2 if it enlarges the latent in between.
  DrawingProgress(LibrarySession& session, PhaseClock& clock, StopCheck& should_stop,
                  std::size_t loras, int passes)
      : session_(session),
        clock_(clock),
        should_stop_(should_stop),
        loras_(loras),
        passes_left_(passes) {}

  /// Begins the first phase, which loads LoRAs, encodes pictures or encodes the prompt.
  void begin(bool encodes_pictures);

  /// Call with each line of the drawing thread.
  void add_line(const char* line);

  /// Call with each progress report.
  void report(int step, int total);

  /// Call when the library has returned the picture.
  void finish();

  /// True while the library may compute graphs of text encoders.
  bool encodes_text() const;

  /// Returns the tensors of the LoRAs; none without LoRAs.
  std::optional<LoraTensors> lora_tensors() const;

  /// Returns what a step cache did; none without one.
  std::optional<StepCacheCounts> step_cache() const noexcept { return step_cache_.result(); }

 private:
  void begin_encoding();
  void add_lora_line(std::string_view text);
  /// Counts the tiles of all pictures of a phase together: each is encoded in tiles of its own.
  void report_tile(int step, int total);
  bool can_continue();
  void stop_unless(bool can_continue);
  void continue_or_throw(bool can_continue_now);

  LibrarySession& session_;
  PhaseClock& clock_;
  StopCheck& should_stop_;
  LoraCount loras_;
  StepCacheCount step_cache_;
  bool encodes_pictures_ = false;
  bool may_load_files_ = true;
  bool samples_next_ = false;
  int passes_left_;
  std::optional<Phase> tiled_phase_;
  int tiles_ = 0;
  int earlier_tiles_ = 0;
};

}  // namespace gpustack_draw
