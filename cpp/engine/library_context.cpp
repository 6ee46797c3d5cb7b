#include "engine/library_context.h"

#include <exception>

#include "engine/callback_scope.h"
#include "engine/errors.h"
#include "engine/phase_clock.h"

namespace gpustack_draw {

void load_context(LibrarySession& session, const ProgressFunction& on_progress,
                  const std::function<bool()>& create) {
  const std::string failure = "the engine could not load the model";
  PhaseClock clock(on_progress, Phase::load);
  bool stop = !clock.report(0, 1);
  // Loader threads run while the library reports progress; an exception here would end the process.
  session.on_progress([&](int step, int total) { stop = !clock.report(step, total) || stop; });
  bool is_created = false;
  if (!stop) {
    try {
      is_created = create();
    } catch (const std::exception& error) {
      throw EngineError(session.explain(failure + ": " + error.what()));
    }
  }
  if (stop) {
    throw CancelledError();
  }
  const std::string& damaged_tensor = session.number_checks().damaged_tensor();
  if (!damaged_tensor.empty()) {
    throw DamagedModelError(damaged_tensor);
  }
  if (!is_created) {
    throw EngineError(session.explain(failure));
  }
}

void free_context(const std::function<void()>& free) {
  if (CallbackScope::is_active()) {
    // The current session waits for this callback, so a new session would wait forever.
    free();
    return;
  }
  const LibrarySession session(nullptr);
  free();
}

void rethrow_explained(const LibrarySession& session, const std::string& failure) {
  try {
    throw;
  } catch (const EngineError&) {
    throw;
  } catch (const std::exception& error) {
    throw EngineError(session.explain(failure + ": " + error.what()));
  }
}

}  // namespace gpustack_draw
