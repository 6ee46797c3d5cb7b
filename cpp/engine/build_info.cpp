#include "engine/build_info.h"

#include "ggml.h"
#include "stable-diffusion.h"

namespace gpustack_draw {
namespace {

// "System Info: \n    SSE3 = 1 |     AVX = 0 | ..." -> "SSE3 ..."
std::string instruction_sets(const std::string& system_info) {
  std::string names;
  std::size_t begin = system_info.find('\n') + 1;
  while (begin < system_info.size()) {
    const std::size_t end = system_info.find('|', begin);
    const std::string entry = system_info.substr(begin, end - begin);
    const std::size_t name = entry.find_first_not_of(' ');
    const std::size_t value = entry.find(" = 1");
    if (name != std::string::npos && value != std::string::npos) {
      names += (names.empty() ? "" : " ") + entry.substr(name, value - name);
    }
    if (end == std::string::npos) {
      break;
    }
    begin = end + 1;
  }
  return names;
}

}  // namespace

std::map<std::string, std::string> build_info() {
  return {
#ifdef NDEBUG
      {"optimized", "yes"},
#else
      {"optimized", "no (built with assertions)"},
#endif
#ifdef __VERSION__
      {"compiler", __VERSION__},
#endif
      {"ggml", ggml_version()},
      {"instructions", instruction_sets(sd_get_system_info())},
  };
}

std::vector<std::string> samplers() {
  std::vector<std::string> names;
  for (int i = 0; i < SAMPLE_METHOD_COUNT; ++i) {
    names.emplace_back(sd_sample_method_name(static_cast<sample_method_t>(i)));
  }
  return names;
}

std::vector<std::string> schedulers() {
  std::vector<std::string> names;
  for (int i = 0; i < SCHEDULER_COUNT; ++i) {
    names.emplace_back(sd_scheduler_name(static_cast<scheduler_t>(i)));
  }
  return names;
}

}  // namespace gpustack_draw
