#include "engine/engine.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "cpu/backend.h"
#include "engine/after_drawing.h"
#include "engine/devices.h"
#include "engine/drawing_progress.h"
#include "engine/graph_stop.h"
#include "engine/library_context.h"
#include "engine/library_session.h"
#include "engine/line_text.h"
#include "engine/named_parameters.h"
#include "engine/phase_clock.h"
#include "engine/stop_check.h"
#include "stable-diffusion.h"

namespace gpustack_draw {
namespace {

// Which code paths are best depends on the device; device_traits() in Python knows them, too.
// FastCPU also computes the VAE that is kept off a GPU. Vulkan's drivers limit a buffer to 4 GiB or
// less, which a VAE that copies its features exceeds at 1024x1024; CUDA's direct convolutions are
// slow.
void set_device_options(sd_ctx_params_t& params, const std::string& device) {
  const bool is_fast_cpu = device == cpu::device_name;
  const bool is_vulkan = device.rfind("Vulkan", 0) == 0;
  params.diffusion_conv_direct = is_fast_cpu;
  params.vae_conv_direct = is_fast_cpu || is_vulkan || params.keep_vae_on_cpu;
  params.flash_attn = is_fast_cpu;
}

std::vector<sd_embedding_t> library_embeddings(const Files& embeddings) {
  std::vector<sd_embedding_t> all;
  for (const auto& [word, path] : embeddings) {
    all.push_back({word.c_str(), path.c_str()});
  }
  return all;
}

// `embeddings` must outlive the result.
sd_ctx_params_t library_options(const ModelOptions& options, const std::string& device,
                                const std::vector<sd_embedding_t>& embeddings) {
  sd_ctx_params_t params;
  sd_ctx_params_init(&params);
  set_files(params, options.files);
  set_numbers(params, options.numbers);
  // The default frees the weights after the first picture; a second one would crash.
  params.free_params_immediately = false;
  params.vae_decode_only = !options.encode_pictures;
  // The other mode changes the weights: rounding makes that irreversible, and it ends the process
  // for quantized weights.
  params.lora_apply_mode = LORA_APPLY_AT_RUNTIME;
  params.embeddings = embeddings.data();
  params.embedding_count = static_cast<std::uint32_t>(embeddings.size());
  set_device_options(params, device);
  return params;
}

// The library subtracts from a number of steps without a sign, and reads far outside an array for a
// negative strength or without steps.
template <typename Params>
void check_range(const Params& params) {
  if (params.sample_params.sample_steps < 1) {
    throw std::invalid_argument(
        "sample_steps is " + std::to_string(params.sample_params.sample_steps) + ", not 1 or more");
  }
  if (!(params.strength >= 0.0F && params.strength <= 1.0F)) {  // NaN is refused, too
    throw std::invalid_argument("strength is " + std::to_string(params.strength) +
                                ", not a number from 0 to 1");
  }
}

// The library would draw noise with other levels, without a failure.
void check_sigmas(const std::vector<float>& sigmas) {
  const auto rises = [](float level, float next) { return !(level > next); };  // true for NaN
  if (sigmas.size() < 2 || sigmas.back() != 0.0F || !std::isfinite(sigmas.front()) ||
      std::adjacent_find(sigmas.begin(), sigmas.end(), rises) != sigmas.end()) {
    throw std::invalid_argument("sigmas are not two or more numbers that fall to 0");
  }
}

// Replaces the schedule. The library cuts off the steps that image-to-image skips by the number of
// steps, so that must be set, too.
void set_sigmas(sd_sample_params_t& sample, const std::vector<float>& sigmas) {
  if (sigmas.empty()) {
    return;
  }
  check_sigmas(sigmas);
  // The library does not write to it.
  sample.custom_sigmas = const_cast<float*>(sigmas.data());
  sample.custom_sigmas_count = static_cast<int>(sigmas.size());
  sample.sample_steps = static_cast<int>(sigmas.size()) - 1;
}

// The library compares each layer with these numbers; others than the network's have no effect.
void set_skip_layers(sd_slg_params_t& guidance, const std::vector<int>& layers) {
  guidance.layers = const_cast<int*>(layers.data());  // the library does not write to it
  guidance.layer_count = layers.size();
}

// Other parameters keep the library's value for "not set"; eta and flow shift have no neutral
// value. The parameters of pictures and of videos have the same names.
template <typename Params>
void set_options(Params& params, const DrawOptions& options) {
  params.width = options.width;
  params.height = options.height;
  params.seed = options.seed;
  set_numbers(params, options.numbers);
  sd_sample_params_t& sample = params.sample_params;
  set_sigmas(sample, options.sigmas);
  set_skip_layers(sample.guidance.slg, options.skip_layers);
  check_range(params);
  sample.sample_method = str_to_sample_method(options.sampler.c_str());
  sample.scheduler = str_to_scheduler(options.scheduler.c_str());
  if (sample.sample_method == SAMPLE_METHOD_COUNT) {
    throw std::invalid_argument("no sampler named '" + options.sampler + "'");
  }
  if (sample.scheduler == SCHEDULER_COUNT) {
    throw std::invalid_argument("no scheduler named '" + options.scheduler + "'");
  }
}

// The prompts as the library takes them.
struct PromptTexts {
  explicit PromptTexts(const DrawOptions& options)
      : prompt(library_text(options.prompt)),
        negative_prompt(library_text(options.negative_prompt)) {}

  template <typename Params>
  void set(Params& params) const {
    params.prompt = prompt.c_str();
    params.negative_prompt = negative_prompt.c_str();
  }

  std::string prompt;
  std::string negative_prompt;
};

void check_control_strength(float strength) {
  if (!(strength >= 0.0F && strength <= 2.0F)) {  // NaN is refused, too
    throw std::invalid_argument("control_strength is " + std::to_string(strength) +
                                ", not a number from 0 to 2");
  }
}

sd_image_t library_image(const InputPicture& picture, std::size_t channels) {
  // The library does not write to it.
  auto* samples = const_cast<std::uint8_t*>(picture.samples.data());
  return {static_cast<std::uint32_t>(picture.width), static_cast<std::uint32_t>(picture.height),
          static_cast<std::uint32_t>(channels), samples};
}

void set_sized_pictures(sd_img_gen_params_t& params, const InputPictures& pictures) {
  if (pictures.image) {
    params.init_image = library_image(*pictures.image, Picture::channels);
  }
  if (pictures.mask) {
    params.mask_image = library_image(*pictures.mask, 1);
  }
  if (pictures.control) {
    params.control_image = library_image(*pictures.control, Picture::channels);
  }
}

std::vector<sd_lora_t> library_loras(const std::vector<Lora>& loras) {
  std::vector<sd_lora_t> converted;
  for (const Lora& lora : loras) {
    converted.push_back({lora.high_noise, lora.weight, lora.path.c_str()});
  }
  return converted;
}

template <typename Params>
void set_loras(Params& params, const std::vector<sd_lora_t>& loras) {
  params.loras = loras.data();
  params.lora_count = static_cast<std::uint32_t>(loras.size());
}

// The library skips the second pass silently if its options are wrong, and fails an assertion if
// the control picture, which keeps the first size, does not fit the larger latent. Its other
// upscalers need pixels; this project enlarges those itself.
void set_second_pass(sd_img_gen_params_t& params, const DrawOptions& options) {
  if (options.hires_upscaler.empty()) {
    return;
  }
  sd_hires_params_t& hires = params.hires;
  hires.enabled = true;
  hires.upscaler = str_to_sd_hires_upscaler(options.hires_upscaler.c_str());
  if (hires.upscaler < SD_HIRES_UPSCALER_LATENT ||
      hires.upscaler > SD_HIRES_UPSCALER_LATENT_BICUBIC_ANTIALIASED) {
    throw std::invalid_argument("no latent upscaler named '" + options.hires_upscaler + "'");
  }
  if (hires.target_width < 1 || hires.target_height < 1 || hires.steps < 1) {
    throw std::invalid_argument("the second pass has no size or no steps");
  }
  if (!(hires.denoising_strength > 0.0F && hires.denoising_strength <= 1.0F)) {
    throw std::invalid_argument("hires_strength is " + std::to_string(hires.denoising_strength) +
                                ", not a number above 0 and up to 1");
  }
  if (options.pictures.control) {
    throw std::invalid_argument("a control picture does not fit the second pass");
  }
}

// Draws; returns an array of `count` pictures.
using DrawFunction = std::function<sd_image_t*(int& count)>;

// Checks the options now, before the library starts to work. They and the LoRAs must outlive the
// returned function, which refers to their pictures, lists and paths.
DrawFunction prepare(sd_ctx_t* context, const DrawOptions& options,
                     const std::vector<Lora>& loras) {
  const PromptTexts texts(options);
  const std::vector<sd_lora_t> converted = library_loras(loras);
  if (sd_ctx_supports_video_generation(context)) {
    if (!options.hires_upscaler.empty()) {
      throw std::invalid_argument("a video model draws no second pass");
    }
    // A video model draws a single picture as a video of one frame.
    sd_vid_gen_params_t params;
    sd_vid_gen_params_init(&params);
    set_options(params, options);
    params.video_frames = 1;
    return [=](int& count) mutable {
      texts.set(params);
      set_loras(params, converted);
      return generate_video(context, &params, &count);
    };
  }
  sd_img_gen_params_t params;
  sd_img_gen_params_init(&params);
  set_options(params, options);
  check_control_strength(params.control_strength);
  set_sized_pictures(params, options.pictures);
  set_second_pass(params, options);
  std::vector<sd_image_t> references;
  for (const InputPicture& reference : options.pictures.references) {
    references.push_back(library_image(reference, Picture::channels));
  }
  return [=](int& count) mutable {
    texts.set(params);
    params.ref_images = references.data();
    params.ref_images_count = static_cast<int>(references.size());
    set_loras(params, converted);
    count = 1;
    return generate_image(context, &params);
  };
}

struct FreeArray {
  void operator()(sd_image_t* images) const noexcept { std::free(images); }
};

Picture draw_picture(const DrawFunction& draw, const LibrarySession& session,
                     StopCheck& should_stop) {
  int count = 0;
  const std::unique_ptr<sd_image_t, FreeArray> array(draw(count));
  const sd_image_t* images = array.get();
  std::vector<Picture::Pixels> frames;
  for (int i = 0; images != nullptr && i < count; ++i) {
    frames.emplace_back(images[i].data);
  }
  if (should_stop()) {
    throw CancelledError();
  }
  if (frames.empty()) {
    throw EngineError(session.explain("the engine drew no picture"));
  }
  Picture picture(images->width, images->height, std::move(frames.front()));
  if (picture.pixels() == nullptr) {
    throw EngineError(session.explain("the engine drew a picture without pixels"));
  }
  if (images->channel != Picture::channels) {
    throw EngineError(session.explain("the engine drew a picture that is not RGB"));
  }
  return picture;
}

// The library loads a ControlNet beside any model, and draws with it only beside these. Their small
// versions have fewer blocks than a ControlNet.
bool names_control_net_version(std::string_view line) {
  constexpr std::string_view start = "Version: ";
  if (!starts_with(line, start)) {
    return false;
  }
  const std::string_view version =
      line.substr(start.size(), line.find_last_not_of(" \n") + 1 - start.size());
  return version == "SD 1.x" || version == "SD 1.x Inpaint" || version == "SD 2.x" ||
         version == "SD 2.x Inpaint";
}

}  // namespace

void Engine::FreeContext::operator()(sd_ctx_t* context) const noexcept {
  free_sd_ctx(context);
  cpu::release_cached_memory();
}

Engine::Engine(const ModelOptions& options, const LogFunction& on_log,
               const ProgressFunction& on_progress)
    : encodes_pictures_(options.encode_pictures),
      has_control_net_(options.files.count("control_net") > 0),
      splits_graphs_(options.numbers.count("max_vram") > 0) {
  LibrarySession session(on_log);
  session.on_line([&](const char* line) {
    if (starts_with(line_text(line), "Version: Z-Image")) {
      takes_references_ = false;
    }
    takes_control_net_ = takes_control_net_ || names_control_net_version(line_text(line));
  });
  device_ = use_device(options.device);
  const std::vector<sd_embedding_t> embeddings = library_embeddings(options.embeddings);
  const sd_ctx_params_t params = library_options(options, device_, embeddings);
  load_context(session, on_progress, [&] {
    const MappedFiles::Scope scope(files_);
    context_.reset(new_sd_ctx(&params));
    return context_ != nullptr;
  });
  usable_ = true;
}

Engine::~Engine() {
  free_context([this] { context_.reset(); });
}

void Engine::check(const DrawOptions& options) const {
  if (options.width < 1 || options.height < 1) {
    throw std::invalid_argument("the drawing has no pixels: its size is " +
                                std::to_string(options.width) + 'x' +
                                std::to_string(options.height));
  }
  const InputPictures& pictures = options.pictures;
  check_pictures(pictures, options.width, options.height);
  if (pictures.empty()) {
    return;
  }
  if (sd_ctx_supports_video_generation(context_.get())) {
    throw std::invalid_argument("a video model takes no pictures");
  }
  if (pictures.control && has_control_net_ && !takes_control_net_) {
    throw std::invalid_argument("a ControlNet does not fit the model");
  }
  // Without a ControlNet, the control picture is an input of the network, beside the latent.
  const bool encodes_control = pictures.control && !has_control_net_;
  if ((pictures.image || !pictures.references.empty() || encodes_control) && !encodes_pictures_) {
    throw std::invalid_argument("the model was loaded without encode_pictures");
  }
  // The library would read outside an array.
  if (!takes_references_ && !pictures.references.empty()) {
    throw std::invalid_argument("a Z-Image model takes no references");
  }
}

Picture Engine::generate(const DrawOptions& options, const LogFunction& on_log,
                         const ProgressFunction& on_progress,
                         const ContinueFunction& should_continue) {
  const unsigned cancellations = cancellations_;
  LibrarySession session(on_log);
  if (!context_) {
    throw EngineError("an earlier drawing failed; load the model again");
  }
  check(options);
  session.make_previews(options.previews);
  const std::vector<Lora> loras = merged(options.loras);
  const DrawFunction draw = prepare(context_.get(), options, loras);
  PhaseClock clock(on_progress, Phase::encode);
  StopCheck should_stop([&] { return cancellations_ != cancellations; }, should_continue);
  const cpu::ScopedCancellation cancellation(std::ref(should_stop));
  if (should_stop()) {
    throw CancelledError();
  }
  const int passes = options.hires_upscaler.empty() ? 1 : 2;
  DrawingProgress progress(session, clock, should_stop, loras.size(), passes);
  const GraphStop graph_stop(std::ref(should_stop),
                             [&] { return splits_graphs_ || progress.encodes_text(); });
  session.on_line([&](const char* line) { progress.add_line(line); });
  session.on_progress([&](int step, int total) { progress.report(step, total); });
  AfterDrawing after_drawing;
  try {
    progress.begin(options.pictures.image.has_value() || !options.pictures.references.empty());
    Picture picture = draw_picture(draw, session, should_stop);
    progress.finish();
    after_drawing.succeed();
    picture.lora_tensors = progress.lora_tensors();
    picture.step_cache = progress.step_cache();
    return picture;
  } catch (const CancelledError&) {
    throw;  // nothing of the drawing is left in the context
  } catch (...) {
    usable_ = false;
    context_.reset();
    rethrow_explained(session, "the engine drew no picture");
  }
}

}  // namespace gpustack_draw
