#include "engine/backend_files.h"

#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "engine/backend_interface.h"
#include "engine/shared_library.h"
#include "ggml-backend.h"
#include "ggml.h"

namespace gpustack_draw {
namespace {

std::mutex& files_mutex() {
  static std::mutex mutex;
  return mutex;
}

std::vector<BackendFile>& backend_files() {
  static std::vector<BackendFile> files;
  return files;
}

std::map<std::string, std::string>& shaders_by_backend() {
  static std::map<std::string, std::string> missing;
  return missing;
}

const char* level_name(ggml_log_level level) {
  switch (level) {
    case GGML_LOG_LEVEL_ERROR:
      return "error";
    case GGML_LOG_LEVEL_WARN:
      return "warning";
    case GGML_LOG_LEVEL_INFO:
      return "info";
    default:
      return "debug";
  }
}

void add_line(ggml_log_level level, const char* text, void* lines) {
  std::string line(text);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) {
    line.pop_back();
  }
  if (!line.empty()) {
    static_cast<std::vector<BackendLine>*>(lines)->push_back({level_name(level), line});
  }
}

// The log of a backend, which has a ggml of its own, goes where that of the library's ggml goes.
void pass_on(ggml_log_level level, const char* text, void* /*data*/) {
  ggml_log_callback on_line = nullptr;
  void* data = nullptr;
  ggml_log_get(&on_line, &data);
  if (on_line != nullptr) {
    on_line(level, text, data);
  }
}

// Collects the log of a backend for as long as it lives.
class CollectedLog {
 public:
  CollectedLog(const BackendInterface& backend, std::vector<BackendLine>& lines)
      : backend_(backend) {
    backend_.log_to(&add_line, &lines);
  }
  ~CollectedLog() { backend_.log_to(&pass_on, nullptr); }
  CollectedLog(const CollectedLog&) = delete;
  CollectedLog(CollectedLog&&) = delete;
  CollectedLog& operator=(const CollectedLog&) = delete;
  CollectedLog& operator=(CollectedLog&&) = delete;

 private:
  const BackendInterface& backend_;
};

bool is_registered(const char* name) {
  for (std::size_t i = 0; i < ggml_backend_reg_count(); ++i) {
    if (std::strcmp(ggml_backend_reg_name(ggml_backend_reg_get(i)), name) == 0) {
      return true;
    }
  }
  return false;
}

#define GPUSTACK_DRAW_TEXT_OF(name) #name
#define GPUSTACK_DRAW_TEXT(name) GPUSTACK_DRAW_TEXT_OF(name)

// Throws an exception that says why the file cannot be used.
void load(const BackendFile& file, std::vector<BackendLine>& lines) {
  if (!file.problem.empty()) {
    throw std::runtime_error(file.problem);
  }
  SharedLibrary library(file.path);
  const auto* offered = static_cast<const BackendInterface*>(
      library.find(GPUSTACK_DRAW_TEXT(GPUSTACK_DRAW_BACKEND_SYMBOL)));
  if (offered == nullptr) {
    throw std::runtime_error("its library is no backend of gpustack-draw");
  }
  if (std::strcmp(offered->abi, backend_abi()) != 0) {
    throw std::runtime_error("its library is for another version of gpustack-draw (" +
                             std::string(offered->abi) + "; this one has " + backend_abi() + ")");
  }
  // ggml never has the library's handle: it would unload the library with a backend that
  // use_device() takes out of the registry, and later puts back.
  library.keep();
  const CollectedLog log(*offered, lines);
  ggml_backend_reg_t backend = offered->backend();
  if (backend == nullptr || ggml_backend_reg_dev_count(backend) == 0) {
    throw std::runtime_error("its driver is missing, or finds no GPU");
  }
  if (is_registered(ggml_backend_reg_name(backend))) {
    throw std::runtime_error("this build of gpustack-draw contains the backend");
  }
  ggml_backend_register(backend);
  shaders_by_backend()[ggml_backend_reg_name(backend)] = offered->missing_shaders;
}

}  // namespace

const char* backend_abi() { return GPUSTACK_DRAW_ENGINE_ABI; }

void set_backend_files(std::vector<BackendFile> files) {
  const std::scoped_lock lock(files_mutex());
  backend_files() = std::move(files);
}

std::vector<BackendLine> load_backend_files() {
  const std::scoped_lock lock(files_mutex());
  std::vector<BackendLine> lines;
  for (const BackendFile& file : backend_files()) {
    std::string problem;
    try {
      load(file, lines);
      continue;
    } catch (const std::exception& error) {
      problem = error.what();
    } catch (...) {
      problem = "its driver failed";
    }
    lines.push_back({"note", file.package + " is not used: " + problem});
  }
  return lines;
}

std::string missing_shaders(const std::string& backend) {
  const std::scoped_lock lock(files_mutex());
  const auto found = shaders_by_backend().find(backend);
  if (found != shaders_by_backend().end()) {
    return found->second;
  }
#ifdef GPUSTACK_DRAW_MISSING_SHADERS  // a build that contains the Vulkan backend
  if (backend == "Vulkan") {
    return GPUSTACK_DRAW_MISSING_SHADERS;
  }
#endif
  return "";
}

}  // namespace gpustack_draw
