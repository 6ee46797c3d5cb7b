#include <pybind11/native_enum.h>

#include <memory>

#include "bindings/callbacks.h"
#include "engine/engine.h"

namespace py = pybind11;

namespace gpustack_draw {
namespace {

using OnProgress = std::optional<CallbackBridge::OnProgress>;
using OnLog = std::optional<CallbackBridge::OnLog>;

std::unique_ptr<Engine> load(std::string model, std::string diffusion_model, std::string vae,
                             std::string clip_l, std::string clip_g, std::string t5xxl,
                             std::string llm, std::string taesd, std::string device, int threads,
                             OnProgress on_progress, OnLog on_log) {
  CallbackBridge callbacks(std::move(on_progress), std::move(on_log));
  const ModelOptions options{std::move(model),  std::move(diffusion_model),
                             std::move(vae),    std::move(clip_l),
                             std::move(clip_g), std::move(t5xxl),
                             std::move(llm),    std::move(taesd),
                             std::move(device), threads};
  return callbacks.call([&] {
    return std::make_unique<Engine>(options, callbacks.log_function(),
                                    callbacks.progress_function());
  });
}

// Prompts are py::str and not std::string, which would take bytes of any encoding.
Picture generate(Engine& engine, const py::str& prompt, const py::str& negative_prompt, int width,
                 int height, const std::string& sampler, const std::string& scheduler,
                 int sample_steps, float cfg_scale, float guidance, std::int64_t seed,
                 Previews previews, OnProgress on_progress, OnLog on_log) {
  CallbackBridge callbacks(std::move(on_progress), std::move(on_log));
  const DrawOptions options{prompt,       negative_prompt, width,    height, sampler, scheduler,
                            sample_steps, cfg_scale,       guidance, seed,   previews};
  return callbacks.call([&] {
    return engine.generate(options, callbacks.log_function(), callbacks.progress_function(),
                           callbacks.wanted_function());
  });
}

constexpr auto load_doc = R"doc(Load a model.

Args:
    model: Path of an all-in-one file or of a folder in diffusers layout; bytes where its name is
        not UTF-8.
    diffusion_model: Path of a diffusion-only file, instead of ``model``.
    vae: Path; likewise clip_l, clip_g, t5xxl, llm and taesd.
    device: "auto" or the name of a device.
    threads: CPU threads, 0 for as many as the library takes.
    on_progress: Called as ``on_progress(phase, step, total, seconds, None)``. An exception it
        raises ends the loading and is raised here.
    on_log: Called as ``on_log(level, line)`` with the library's log, also from other threads.

Raises:
    DamagedModelError: A tensor, whose name the text is, holds NaN or infinity.
    EngineError: The model did not load; the text quotes the library's log.
    ValueError: No device has that name.
)doc";

constexpr auto generate_doc = R"doc(Draw one picture. Other Python threads run meanwhile.

Args:
    prompt: What to draw.
    negative_prompt: What to avoid; without effect where cfg_scale is 1.
    width: Pixels, a multiple of what the model needs.
    height: Pixels, a multiple of what the model needs.
    sampler: One of samplers().
    scheduler: One of schedulers().
    sample_steps: At least 1.
    cfg_scale: Classifier-free guidance; 1 is without.
    guidance: Distilled guidance.
    seed: 0 or more.
    previews: How to show the picture as it grows.
    on_progress: Called as ``on_progress(phase, step, total, seconds, preview)``; the preview is
        None unless there is a new one. An exception it raises stops the drawing and is raised here.
    on_log: Called as ``on_log(level, line)`` with the library's log.

Raises:
    CancelledError: cancel() was called meanwhile.
    OverflowError: The numbers became NaN or infinity on their way to the picture.
    EngineError: There is no picture; the text quotes the library's log.
)doc";

// Python's own list of what to do at its end, and after a fork.
void register_end_of_python() {
  py::module_::import("atexit").attr("register")(py::cpp_function(&EngineCall::end_all));
  const auto os = py::module_::import("os");
  if (py::hasattr(os, "register_at_fork")) {
    os.attr("register_at_fork")(py::arg("after_in_child") =
                                    py::cpp_function(&EngineCall::forget_all));
  }
}

}  // namespace

void register_engine(py::module_& module) {
  register_end_of_python();
  py::native_enum<Phase>(module, "Phase", "enum.Enum", "What the engine is doing.")
      .value("load", Phase::load)
      .value("encode", Phase::encode)
      .value("sample", Phase::sample)
      .value("decode", Phase::decode)
      .finalize();
  py::native_enum<Previews>(module, "Previews", "enum.Enum", "How progress shows the picture.")
      .value("none", Previews::none)
      .value("projected", Previews::projected)
      .value("decoded", Previews::decoded)
      .finalize();
  py::classh<Engine>(module, "Engine", py::release_gil_before_calling_cpp_dtor(),
                     "A loaded model, ready to draw.")
      .def(py::init(&load), py::kw_only(), py::arg("model") = "", py::arg("diffusion_model") = "",
           py::arg("vae") = "", py::arg("clip_l") = "", py::arg("clip_g") = "",
           py::arg("t5xxl") = "", py::arg("llm") = "", py::arg("taesd") = "",
           py::arg("device") = "auto", py::arg("threads").noconvert() = 0,
           py::arg("on_progress") = std::nullopt, py::arg("on_log") = std::nullopt, load_doc)
      .def("generate", &generate, py::arg("prompt"), py::kw_only(), py::arg("negative_prompt") = "",
           py::arg("width").noconvert(), py::arg("height").noconvert(), py::arg("sampler"),
           py::arg("scheduler"), py::arg("sample_steps").noconvert(), py::arg("cfg_scale"),
           py::arg("guidance"), py::arg("seed").noconvert(), py::arg("previews") = Previews::none,
           py::arg("on_progress") = std::nullopt, py::arg("on_log") = std::nullopt, generate_doc)
      .def("cancel", &Engine::cancel,
           "Stop the drawing that runs now (at once, or at its next step where it is not our own "
           "backend that computes) and those that wait. From any thread.")
      .def_property_readonly("is_usable", &Engine::is_usable, "Whether generate() can be called.")
      .def_property_readonly("device", &Engine::device, "Where the model was loaded.");
}

}  // namespace gpustack_draw
