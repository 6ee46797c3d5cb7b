#include "engine/build_info.h"

#include "engine/backend_files.h"
#include "ggml.h"
#include "stable-diffusion.h"

namespace gpustack_draw {
namespace {

// "System Info: \n    SSE3 = 1 |     AVX = 0 | ..." -> {"SSE3", ...}
std::vector<std::string> instruction_sets(const std::string& system_info) {
  std::vector<std::string> names;
  std::size_t begin = system_info.find('\n') + 1;
  while (begin < system_info.size()) {
    const std::size_t end = system_info.find('|', begin);
    const std::string entry = system_info.substr(begin, end - begin);
    const std::size_t name = entry.find_first_not_of(' ');
    const std::size_t value = entry.find(" = 1");
    if (name != std::string::npos && value != std::string::npos) {
      names.push_back(entry.substr(name, value - name));
    }
    if (end == std::string::npos) {
      break;
    }
    begin = end + 1;
  }
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : " ") + name;
  }
  return text;
}

// Whether this CPU has an instruction set of the library's list. This file is compiled without
// flags for instruction sets, and runs before any code of ggml that is.
bool cpu_has([[maybe_unused]] const std::string& name) {
#if defined(__x86_64__) && defined(__GNUC__)
  struct InstructionSet {
    const char* name;
    bool present;
  };
  // ggml enables BMI2 with AVX2, and the library's list has no entry for it.
  // NOLINTBEGIN(readability-implicit-bool-conversion): an int with GCC, a bool with Clang
  const InstructionSet sets[] = {
      {"SSE3", __builtin_cpu_supports("sse3") != 0},
      {"AVX", __builtin_cpu_supports("avx") != 0},
      {"AVX2", __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi2") != 0},
      {"AVX512",
       __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512cd") != 0 &&
           __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
           __builtin_cpu_supports("avx512bw") != 0},
      {"AVX512_VBMI", __builtin_cpu_supports("avx512vbmi") != 0},
      {"AVX512_VNNI", __builtin_cpu_supports("avx512vnni") != 0},
      {"FMA", __builtin_cpu_supports("fma") != 0},
      {"F16C", __builtin_cpu_supports("f16c") != 0},
  };
  // NOLINTEND(readability-implicit-bool-conversion)
  for (const InstructionSet& set : sets) {
    if (name == set.name) {
      return set.present;
    }
  }
#endif
  return true;
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
      {"backends", backend_abi()},
      {"stable-diffusion.cpp", sd_commit()},
      {"instructions", joined(instruction_sets(sd_get_system_info()))},
  };
}

std::vector<std::string> missing_instructions() {
  std::vector<std::string> missing;
  for (const std::string& name : instruction_sets(sd_get_system_info())) {
    if (!cpu_has(name)) {
      missing.push_back(name);
    }
  }
  return missing;
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
