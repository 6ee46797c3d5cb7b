#include "engine/step_cache.h"

#include <array>
#include <string>

#include "engine/line_text.h"

namespace gpustack_draw {
namespace {

constexpr std::array<std::string_view, 4> cache_names = {"EasyCache ", "UCache ", "CacheDIT ",
                                                         "Spectrum "};

}  // namespace

// "Spectrum enabled - w: 0.40, ..." before a pass and "Spectrum skipped 9/20 steps (...)" after it.
// Spectrum has no second line if it skipped nothing.
void StepCacheCount::add_line(std::string_view text) {
  constexpr std::string_view skipped = "skipped ";
  for (const std::string_view name : cache_names) {
    if (!starts_with(text, name)) {
      continue;
    }
    const std::string_view rest = text.substr(name.size());
    is_enabled_ = is_enabled_ || starts_with(rest, "enabled ");
    if (starts_with(rest, skipped)) {
      counts_.skipped += leading_number(rest.substr(skipped.size()));
    }
  }
}

}  // namespace gpustack_draw
