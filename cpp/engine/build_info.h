#pragma once

#include <map>
#include <string>
#include <vector>

namespace gpustack_draw {

/// Returns facts about this build for bug reports: compiler, optimization, ggml version and the CPU
/// instruction sets in use.
std::map<std::string, std::string> build_info();

/// Return the names that the library accepts, in its own order.
std::vector<std::string> samplers();
std::vector<std::string> schedulers();

}  // namespace gpustack_draw
