#pragma once

#include <map>
#include <memory>
#include <string>

class MmapWrapper;  // of the library

namespace gpustack_draw {

/// Files whose weights a model uses in place. It must outlive the model's context.
class MappedFiles {
 public:
  MappedFiles() = default;
  ~MappedFiles() = default;
  MappedFiles(const MappedFiles&) = delete;
  MappedFiles(MappedFiles&&) = delete;
  MappedFiles& operator=(const MappedFiles&) = delete;
  MappedFiles& operator=(MappedFiles&&) = delete;

  /// Models that are loaded while a scope exists map their files; one scope at a time.
  ///
  /// The functions that replace some of the library's own get no user data, so the files are found
  /// through a static pointer.
  class Scope {
   public:
    explicit Scope(MappedFiles& files) noexcept { current_ = &files; }
    ~Scope() { current_ = nullptr; }
    Scope(const Scope&) = delete;
    Scope(Scope&&) = delete;
    Scope& operator=(const Scope&) = delete;
    Scope& operator=(Scope&&) = delete;
  };

  /// Returns the files of the current scope; null outside of one.
  static MappedFiles* current() noexcept { return current_; }

  /// Maps a file, once. Returns null if it cannot be mapped.
  const MmapWrapper* map(const std::string& path);

 private:
  inline static MappedFiles* current_ = nullptr;

  std::map<std::string, std::shared_ptr<const MmapWrapper>> files_;
};

}  // namespace gpustack_draw
