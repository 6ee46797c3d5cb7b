#pragma once

#include <functional>
#include <string>

#include "engine/library_session.h"
#include "engine/progress.h"

namespace gpustack_draw {

/// Loads a context of the library, with the progress of Phase::load.
///
/// @param create Calls the library and keeps the context; returns false if the library has made
///     none.
/// @throws CancelledError `on_progress` returned false. Thrown when loading has ended, because the
///     library cannot be stopped while it loads.
/// @throws DamagedModelError A tensor contains NaN or infinity.
/// @throws EngineError The model did not load; what() quotes the library's log.
void load_context(LibrarySession& session, const ProgressFunction& on_progress,
                  const std::function<bool()>& create);

/// Frees a context of the library, in a session of its own.
void free_context(const std::function<void()>& free);

/// Rethrows the exception that is being handled as one of errors.h: of the library, which throws
/// many types, even std::invalid_argument, as an EngineError that begins with `failure`.
[[noreturn]] void rethrow_explained(const LibrarySession& session, const std::string& failure);

}  // namespace gpustack_draw
