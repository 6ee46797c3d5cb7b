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
  ModelOptions options;
  options.model = std::move(model);
  options.diffusion_model = std::move(diffusion_model);
  options.vae = std::move(vae);
  options.clip_l = std::move(clip_l);
  options.clip_g = std::move(clip_g);
  options.t5xxl = std::move(t5xxl);
  options.llm = std::move(llm);
  options.taesd = std::move(taesd);
  options.device = std::move(device);
  options.threads = threads;
  return callbacks.call([&] {
    return std::make_unique<Engine>(options, callbacks.log_function(),
                                    callbacks.progress_function());
  });
}

// Prompts are py::str, because std::string would accept bytes in any encoding.
Picture generate(Engine& engine, const py::str& prompt, const py::str& negative_prompt, int width,
                 int height, const std::string& sampler, const std::string& scheduler,
                 int sample_steps, float cfg_scale, float guidance, std::int64_t seed,
                 Previews previews, OnProgress on_progress, OnLog on_log) {
  CallbackBridge callbacks(std::move(on_progress), std::move(on_log));
  DrawOptions options{};
  options.prompt = prompt;
  options.negative_prompt = negative_prompt;
  options.width = width;
  options.height = height;
  options.sampler = sampler;
  options.scheduler = scheduler;
  options.sample_steps = sample_steps;
  options.cfg_scale = cfg_scale;
  options.guidance = guidance;
  options.seed = seed;
  options.previews = previews;
  return callbacks.call([&] {
    return engine.generate(options, callbacks.log_function(), callbacks.progress_function(),
                           callbacks.continue_function());
  });
}

constexpr auto load_doc = R"doc(Load a model.

Args:
    model: Path of an all-in-one file or of a folder in diffusers layout. Paths are str, or bytes
        that need not be valid UTF-8.
    diffusion_model: Path of a file with the denoiser only, instead of ``model``.
    vae: Path of the VAE.
    clip_l: Path of the text encoder CLIP-L.
    clip_g: Path of the text encoder CLIP-G.
    t5xxl: Path of the text encoder T5-XXL.
    llm: Path of a language model used as text encoder.
    taesd: Path of a small decoder, used instead of the VAE.
    device: "auto" or the name of a device.
    threads: CPU threads; 0 for the default of the library.
    on_progress: Called as ``on_progress(phase, step, total, seconds, None)``. An exception that it
        raises stops the loading and is raised by this call.
    on_log: Called as ``on_log(level, line)`` with the library's log, from any thread.

Raises:
    DamagedModelError: A tensor contains NaN or infinity; the message is its name.
    EngineError: The model did not load; the message quotes the library's log.
    ValueError: No device has that name.
)doc";

constexpr auto generate_doc = R"doc(Draw one picture without holding the GIL.

Args:
    prompt: Description of the picture.
    negative_prompt: Description of what to avoid; no effect if ``cfg_scale`` is 1.
    width: Width in pixels; rounded up to a multiple that the model needs.
    height: Height in pixels; rounded up to a multiple that the model needs.
    sampler: One of samplers().
    scheduler: One of schedulers().
    sample_steps: At least 1.
    cfg_scale: Classifier-free guidance; 1 turns it off.
    guidance: Distilled guidance.
    seed: 0 or more.
    previews: Previews of the unfinished picture in the progress.
    on_progress: Called as ``on_progress(phase, step, total, seconds, preview)``; the preview is
        None unless there is a new one. An exception that it raises stops the drawing and is raised
        by this call.
    on_log: Called as ``on_log(level, line)`` with the library's log, from any thread.

Raises:
    CancelledError: cancel() was called.
    OverflowError: NaN or infinity was computed.
    EngineError: The library drew no picture; the message quotes its log.
    ValueError: No sampler or scheduler has that name.
)doc";

// Registers functions that Python calls when it exits, and after a fork.
void register_exit_handlers() {
  py::module_::import("atexit").attr("register")(py::cpp_function(&EngineCall::end_all));
  const auto os = py::module_::import("os");
  if (py::hasattr(os, "register_at_fork")) {
    os.attr("register_at_fork")(py::arg("after_in_child") =
                                    py::cpp_function(&EngineCall::forget_all));
  }
}

}  // namespace

void register_engine(py::module_& module) {
  register_exit_handlers();
  py::native_enum<Phase>(module, "Phase", "enum.Enum", "A phase of the engine's work.")
      .value("load", Phase::load)
      .value("encode", Phase::encode)
      .value("sample", Phase::sample)
      .value("decode", Phase::decode)
      .finalize();
  py::native_enum<Previews>(module, "Previews", "enum.Enum",
                            "Previews of the unfinished picture in the progress.")
      .value("none", Previews::none)
      .value("projected", Previews::projected)
      .value("decoded", Previews::decoded)
      .finalize();
  py::classh<Engine>(module, "Engine", py::release_gil_before_calling_cpp_dtor(), "A loaded model.")
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
      .def(
          "cancel", &Engine::cancel,
          "Cancel the running drawing and the waiting ones, from any thread. The running one stops "
          "immediately on FastCPU and at its next step on other devices.")
      .def_property_readonly("is_usable", &Engine::is_usable, "True if generate() can be called.")
      .def_property_readonly("device", &Engine::device,
                             "Name of the device that the model was loaded on.");
}

}  // namespace gpustack_draw
