#pragma once

#include <map>
#include <string>
#include <vector>

namespace gpustack_draw {

/// Facts of this build, for bug reports and --debug: how it was compiled, which instructions of
/// the CPU it uses, which ggml.
std::map<std::string, std::string> build_info();

/// What the library can be told, in its own order.
std::vector<std::string> samplers();
std::vector<std::string> schedulers();

}  // namespace gpustack_draw
