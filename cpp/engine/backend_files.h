#pragma once

#include <string>
#include <vector>

namespace gpustack_draw {

/// The library file of a package that brings a GPU backend.
struct BackendFile {
  std::string package;  ///< Name of the package, such as "gpustack-draw-vulkan".
  std::string path;     ///< Absolute path of the file.
  std::string problem;  ///< Why it must not be loaded; empty to load it.
};

/// A line about loading backends.
struct BackendLine {
  std::string level;  ///< "note" for a backend that is not used; else "debug", "info", ...
  std::string text;   ///< May be invalid UTF-8.
};

/// Sets the files to load; has no effect once load_backend_files() was called.
void set_backend_files(std::vector<BackendFile> files);

/// Loads the files and registers their backends with ggml, unless a backend of that name is
/// registered. A file that cannot be used is left out, with one note.
///
/// @return The notes, and the log of the backends meanwhile. Their later log goes to where that of
///   the library's own ggml goes.
std::vector<BackendLine> load_backend_files();

/// Returns the kinds of shaders that a backend was built without, because the shader compiler was
/// too old for them: "matrix cores, int8 products, bf16", for example. Empty if none.
///
/// @param backend ggml's name of the backend, such as "Vulkan".
std::string missing_shaders(const std::string& backend);

/// Describes the structs that a backend shares with this extension; see BackendInterface.
const char* backend_abi();

}  // namespace gpustack_draw
