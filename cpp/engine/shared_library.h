#pragma once

#include <string>

namespace gpustack_draw {

/// A library file that is loaded at run time. Unloads it at the end of its life, unless keep() was
/// called.
class SharedLibrary {
 public:
  /// @param path Absolute path, in UTF-8 on Windows.
  ///
  /// @throws std::runtime_error The system cannot load it; what() is its reason.
  explicit SharedLibrary(const std::string& path);
  ~SharedLibrary();
  SharedLibrary(const SharedLibrary&) = delete;
  SharedLibrary(SharedLibrary&&) = delete;
  SharedLibrary& operator=(const SharedLibrary&) = delete;
  SharedLibrary& operator=(SharedLibrary&&) = delete;

  /// Returns the address of an exported symbol; null if there is none.
  void* find(const char* symbol) const;

  /// Keeps the library loaded until the process ends.
  void keep() noexcept { handle_ = nullptr; }

 private:
  void* handle_;
};

}  // namespace gpustack_draw
