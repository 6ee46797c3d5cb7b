#pragma once

#include <map>
#include <string>
#include <vector>

namespace gpustack_draw {

/// Return facts about this build for bug reports: compiler, optimization, the versions of ggml and
/// stable-diffusion.cpp, and the CPU instruction sets that ggml was compiled for.
std::map<std::string, std::string> build_info();

/// Return the instruction sets that ggml was compiled for and that this CPU lacks. If there are
/// any, ggml's code would end the process with SIGILL. Empty where the CPU cannot be asked.
std::vector<std::string> missing_instructions();

/// Return the names that the library accepts, in its own order.
std::vector<std::string> samplers();
std::vector<std::string> schedulers();

}  // namespace gpustack_draw
