// Other programs' tensor names, mapped to the library's.
//
// The build compiles the library's convert_tensor_name() under another name
// (cmake/EngineLibrary.cmake), so that its callers find the one below.

#include <string>
#include <string_view>
#include <utility>

#include "name_conversion.h"

std::string library_convert_tensor_name(std::string name, SDVersion version);

namespace {

void replace_prefix(std::string& name, std::string_view prefix, std::string_view replacement) {
  if (name.compare(0, prefix.size(), prefix) == 0) {
    name.replace(0, prefix.size(), replacement);
  }
}

}  // namespace

std::string convert_tensor_name(std::string name, SDVersion version) {
  const bool is_sd3 = sd_version_is_sd3(version);
  if (is_sd3 || sd_version_is_flux(version)) {
    // llama-box numbers the text encoders of these too, in the order of their pipelines. The
    // library does so for UNets only; here it would find none, draw, and ignore the prompt.
    replace_prefix(name, "cond_stage_model.2.", "text_encoders.t5xxl.");
    replace_prefix(name, "cond_stage_model.1.",
                   is_sd3 ? "text_encoders.clip_g." : "text_encoders.t5xxl.");
    replace_prefix(name, "cond_stage_model.", "text_encoders.clip_l.");
  }
  return library_convert_tensor_name(std::move(name), version);
}
