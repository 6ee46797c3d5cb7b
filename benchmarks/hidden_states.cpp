// The library's text encoder of Stable Diffusion 1 and 2 as the Python module hidden_states, for
// benchmarks/compare_hidden_states.py. It is compiled, loaded and called as by
// stable-diffusion.cpp.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "engine/devices.h"
#include "engine/kept_conditions.h"  // in front of the library's headers, as in the build of the library
#include "engine/prompt.h"
#include "model.h"
#include "stable-diffusion.h"
#include "util.h"

namespace {

namespace py = pybind11;
using Files = std::map<std::string, std::string>;
using PromptPieces = std::vector<std::tuple<std::string, float, bool>>;

class TextEncoder {
 public:
  TextEncoder(const std::string& file, const Files& embeddings, const std::string& device,
              int threads)
      : threads_(threads) {
    sd_set_progress_callback([](int, int, float, void*) {}, nullptr);  // prints bars otherwise
    const bool is_fast_cpu = gpustack_draw::use_device(device) == "FastCPU";
    backend_.reset(sd_get_default_backend());
    ModelLoader loader;
    if (!loader.init_from_file_and_convert_name(file)) {
      throw std::runtime_error("the file cannot be read: " + file);
    }
    // A macro of kept_conditions.h: the class that the library uses in drawings.
    encoder_ = std::make_unique<FrozenCLIPEmbedderWithCustomWords>(
        backend_.get(), false, loader.get_tensor_storage_map(), embeddings,
        loader.get_sd_version());
    encoder_->set_flash_attention_enabled(is_fast_cpu);
    encoder_->alloc_params_buffer();
    std::map<std::string, ggml_tensor*> tensors;
    encoder_->get_param_tensors(tensors);
    if (!loader.load_tensors(tensors, {"model.diffusion_model.", "first_stage_model."}, threads)) {
      throw std::runtime_error("the weights cannot be loaded: " + file);
    }
  }

  py::array_t<float> encode(const PromptPieces& pieces) {
    gpustack_draw::Prompt prompt;
    for (const auto& [text, weight, starts_chunk] : pieces) {
      prompt.push_back({text, weight, starts_chunk});
    }
    ConditionerParams params;
    params.text = gpustack_draw::library_text(prompt);
    const sd::Tensor<float> states = encoder_->get_learned_condition(threads_, params).c_crossattn;
    // The library's order of axes is the reverse of NumPy's.
    const std::vector<py::ssize_t> shape(states.shape().rbegin(), states.shape().rend());
    return py::array_t<float>(shape, states.data());
  }

 private:
  struct Free {
    void operator()(ggml_backend_t backend) const { ggml_backend_free(backend); }
  };

  int threads_;
  std::unique_ptr<ggml_backend, Free> backend_;
  std::unique_ptr<FrozenCLIPEmbedderWithCustomWords> encoder_;
};

}  // namespace

PYBIND11_MODULE(hidden_states, module) {
  py::class_<TextEncoder>(module, "TextEncoder")
      .def(py::init<const std::string&, const Files&, const std::string&, int>(), py::arg("file"),
           py::arg("embeddings"), py::arg("device"), py::arg("threads"))
      .def("encode", &TextEncoder::encode, py::arg("pieces"));
}
