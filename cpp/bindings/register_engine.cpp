#include <pybind11/native_enum.h>

#include <memory>
#include <tuple>
#include <variant>
#include <vector>

#include "bindings/callbacks.h"
#include "bindings/read_picture.h"
#include "engine/engine.h"

namespace py = pybind11;

namespace gpustack_draw {
namespace {

using OnProgress = std::optional<CallbackBridge::OnProgress>;
using OnLog = std::optional<CallbackBridge::OnLog>;

std::unique_ptr<Engine> load(Files files, Numbers numbers, std::string device, bool encode_pictures,
                             Files embeddings, OnProgress on_progress, OnLog on_log) {
  CallbackBridge callbacks(std::move(on_progress), std::move(on_log));
  ModelOptions options;
  options.files = std::move(files);
  options.numbers = std::move(numbers);
  options.device = std::move(device);
  options.encode_pictures = encode_pictures;
  options.embeddings = std::move(embeddings);
  return callbacks.call([&] {
    return std::make_unique<Engine>(options, callbacks.log_function(),
                                    callbacks.progress_function());
  });
}

using OptionalBuffer = std::optional<py::buffer>;

// Copies, because another thread may change the buffers while the engine draws.
InputPictures read_pictures(const OptionalBuffer& image, const OptionalBuffer& mask,
                            const std::vector<py::buffer>& references,
                            const OptionalBuffer& control) {
  InputPictures pictures;
  if (image) {
    pictures.image = read_rgb(*image, "image");
  }
  if (mask) {
    pictures.mask = read_mask(*mask, "mask");
  }
  for (const py::buffer& reference : references) {
    const std::string number = std::to_string(pictures.references.size() + 1);
    pictures.references.push_back(read_rgb(reference, "reference " + number));
  }
  if (control) {
    pictures.control = read_rgb(*control, "control");
  }
  return pictures;
}

// Prompts have py::str, because std::string would accept bytes in any encoding.
using PromptPieces = std::vector<std::tuple<py::str, float, bool>>;
using PromptArgument = std::variant<py::str, PromptPieces>;

Prompt read_prompt(const PromptArgument& prompt) {
  if (const auto* text = std::get_if<py::str>(&prompt)) {
    return {{*text}};
  }
  Prompt pieces;
  for (const auto& [text, weight, starts_chunk] : std::get<PromptPieces>(prompt)) {
    pieces.push_back({text, weight, starts_chunk});
  }
  return pieces;
}

using LoraTuple = std::tuple<std::string, float, bool>;

std::vector<Lora> read_loras(const std::vector<LoraTuple>& tuples) {
  std::vector<Lora> loras;
  for (const auto& [path, weight, high_noise] : tuples) {
    loras.push_back({path, weight, high_noise});
  }
  return loras;
}

Picture generate(Engine& engine, const PromptArgument& prompt,
                 const PromptArgument& negative_prompt, int width, int height,
                 const std::string& sampler, const std::string& scheduler, std::int64_t seed,
                 Numbers numbers, std::vector<float> sigmas, std::vector<int> skip_layers,
                 const OptionalBuffer& image, const OptionalBuffer& mask,
                 const std::vector<py::buffer>& references, const OptionalBuffer& control,
                 const std::vector<LoraTuple>& loras, std::string hires_upscaler, Previews previews,
                 OnProgress on_progress, OnLog on_log) {
  CallbackBridge callbacks(std::move(on_progress), std::move(on_log));
  DrawOptions options{};
  options.prompt = read_prompt(prompt);
  options.negative_prompt = read_prompt(negative_prompt);
  options.width = width;
  options.height = height;
  options.sampler = sampler;
  options.scheduler = scheduler;
  options.seed = seed;
  options.numbers = std::move(numbers);
  options.sigmas = std::move(sigmas);
  options.skip_layers = std::move(skip_layers);
  options.previews = previews;
  options.pictures = read_pictures(image, mask, references, control);
  options.loras = read_loras(loras);
  options.hires_upscaler = std::move(hires_upscaler);
  return callbacks.call([&] {
    return engine.generate(options, callbacks.log_function(), callbacks.progress_function(),
                           callbacks.continue_function());
  });
}

constexpr auto load_doc = R"doc(Load a model.

Args:
    files: Paths by the names in cpp/engine/named_parameters.cpp: ``model`` or ``diffusion_model``,
        ``vae``, ... They are str, or bytes that need not be valid UTF-8.
    numbers: Numbers by the names in that file, such as ``threads``; the library's default for a
        missing one.
    device: "auto" or the name of a device.
    encode_pictures: Load the encoder of the VAE too, which input pictures need.
    embeddings: Paths of safetensors files with one F32 matrix, by the words that stand for its rows in
        prompts of Stable Diffusion 1 and 2. The library finds a word anywhere, in lower case only.
    on_progress: Called as ``on_progress(phase, step, total, seconds, None)``. An exception that it
        raises stops the loading and is raised by this call.
    on_log: Called as ``on_log(level, line)`` with the library's log, from any thread.

Raises:
    DamagedModelError: A tensor contains NaN or infinity; the message is its name.
    EngineError: The model did not load; the message quotes the library's log.
    ValueError: No device, file or number has that name.
)doc";

constexpr auto generate_doc = R"doc(Draw one picture without holding the GIL.

Args:
    prompt: Description of the picture; or its pieces, each with its weight and whether it begins a
        new chunk of tokens. No character of a text has a meaning.
    negative_prompt: Description of what to avoid, likewise; no effect if the number ``cfg_scale`` is
        1.
    width: Width in pixels; rounded up to a multiple that the model needs.
    height: Height in pixels; rounded up to a multiple that the model needs.
    sampler: One of samplers().
    scheduler: One of schedulers().
    seed: 0 or more.
    numbers: Numbers by the names in cpp/engine/named_parameters.cpp, such as ``sample_steps``; the
        library's default for a missing one.
    sigmas: Noise levels at which the steps start, falling to a last 0; they replace the scheduler
        and the number ``sample_steps``.
    skip_layers: Layers, counted from 0, for skip-layer guidance with the number ``slg_scale``.
    image: (height, width, 3) uint8, RGB, of the drawing's size: the start of image-to-image, which
        the number ``strength`` keeps (0) or replaces (1).
    mask: (height, width) uint8, of the drawing's size: 255 is redrawn, 0 is kept. Needs ``image``.
    references: (height, width, 3) uint8 each, RGB, with sides that are multiples of 16: the
        pictures that an edit model looks at.
    control: (height, width, 3) uint8, RGB, of the drawing's size: the picture of a control model.
    loras: Path, weight, and whether it is for the model of the early steps, of each LoRA. Paths are
        str, or bytes that need not be valid UTF-8. Weights for the same file are summed.
    hires_upscaler: The library's name of a latent upscaler: a second pass draws the picture in the
        size of the numbers ``hires_width`` and ``hires_height``. Empty for one pass.
    previews: Previews of the unfinished picture in the progress.
    on_progress: Called as ``on_progress(phase, step, total, seconds, preview)``; the preview is
        None unless there is a new one. An exception that it raises stops the drawing and is raised
        by this call.
    on_log: Called as ``on_log(level, line)`` with the library's log, from any thread.

Raises:
    CancelledError: cancel() was called.
    OverflowError: NaN or infinity was computed.
    DamagedLoraError: A LoRA contains NaN or infinity; the message is its path.
    EngineError: The library drew no picture; the message quotes its log.
    ValueError: No sampler, scheduler, latent upscaler or number has that name, a number is out of
        its range, or a picture does not fit the drawing or the model.
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
      .value("load_loras", Phase::load_loras)
      .value("encode_pictures", Phase::encode_pictures)
      .value("encode", Phase::encode)
      .value("sample", Phase::sample)
      .value("decode", Phase::decode)
      .value("upscale", Phase::upscale)
      .finalize();
  py::native_enum<Previews>(module, "Previews", "enum.Enum",
                            "Previews of the unfinished picture in the progress.")
      .value("none", Previews::none)
      .value("projected", Previews::projected)
      .value("decoded", Previews::decoded)
      .finalize();
  py::classh<Engine>(module, "Engine", py::release_gil_before_calling_cpp_dtor(), "A loaded model.")
      .def(py::init(&load), py::kw_only(), py::arg("files"), py::arg("numbers") = Numbers(),
           py::arg("device") = "auto", py::arg("encode_pictures").noconvert() = false,
           py::arg("embeddings") = Files(), py::arg("on_progress") = std::nullopt,
           py::arg("on_log") = std::nullopt, load_doc)
      .def("generate", &generate, py::arg("prompt"), py::kw_only(), py::arg("negative_prompt") = "",
           py::arg("width").noconvert(), py::arg("height").noconvert(), py::arg("sampler"),
           py::arg("scheduler"), py::arg("seed").noconvert(), py::arg("numbers") = Numbers(),
           py::arg("sigmas") = std::vector<float>(), py::arg("skip_layers") = std::vector<int>(),
           py::arg("image") = std::nullopt, py::arg("mask") = std::nullopt,
           py::arg("references") = std::vector<py::buffer>(), py::arg("control") = std::nullopt,
           py::arg("loras") = std::vector<LoraTuple>(), py::arg("hires_upscaler") = "",
           py::arg("previews") = Previews::none, py::arg("on_progress") = std::nullopt,
           py::arg("on_log") = std::nullopt, generate_doc)
      .def(
          "cancel", &Engine::cancel,
          "Cancel the running drawing and the waiting ones, from any thread. The running one stops "
          "immediately on FastCPU and at its next step on other devices.")
      .def_property_readonly("is_usable", &Engine::is_usable, "True if generate() can be called.")
      .def_property_readonly("device", &Engine::device,
                             "Name of the device that the model was loaded on.");
}

}  // namespace gpustack_draw
