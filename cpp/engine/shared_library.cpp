#include "engine/shared_library.h"

#include <stdexcept>

#ifdef _WIN32
#include <windows.h>

#include <filesystem>
#include <system_error>
#else
#include <dlfcn.h>
#endif

namespace gpustack_draw {

#ifdef _WIN32

SharedLibrary::SharedLibrary(const std::string& path) {
  const DWORD mode = SetErrorMode(SEM_FAILCRITICALERRORS);  // no dialog for a missing library
  handle_ = LoadLibraryW(std::filesystem::u8path(path).wstring().c_str());
  const DWORD error = GetLastError();
  SetErrorMode(mode);
  if (handle_ == nullptr) {
    throw std::runtime_error(std::system_category().message(static_cast<int>(error)));
  }
}

SharedLibrary::~SharedLibrary() {
  if (handle_ != nullptr) {
    FreeLibrary(static_cast<HMODULE>(handle_));
  }
}

void* SharedLibrary::find(const char* symbol) const {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(handle_), symbol));
}

#else

SharedLibrary::SharedLibrary(const std::string& path)
    : handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ == nullptr) {
    const char* reason = dlerror();
    throw std::runtime_error(reason != nullptr ? reason : "unknown error");
  }
}

SharedLibrary::~SharedLibrary() {
  if (handle_ != nullptr) {
    dlclose(handle_);
  }
}

void* SharedLibrary::find(const char* symbol) const { return dlsym(handle_, symbol); }

#endif

}  // namespace gpustack_draw
