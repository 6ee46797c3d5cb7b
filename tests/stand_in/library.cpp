// A stand-in for stable-diffusion.cpp and ggml's device registry, for tests only. It defines the
// functions that cpp/engine calls, and behaves as the library's source does without computing.
//
// Words in the model path and in the prompt, separated by spaces, control it:
//
//   model path    does
//   ----------    ----
//   slow          loads for 0.3 s
//   noisy         logs a line per tensor, from its loader threads
//   fails         logs a warning and an error, returns no context
//   throws        throws std::runtime_error
//   aborts        calls abort(), as a failed GGML_ASSERT does
//   segfaults     dies of SIGSEGV
//   damaged       finds NaN in a tensor, returns no context
//   slow-to-free  takes 0.3 s to be freed, and logs meanwhile
//   video         is a video model
//   z-image       is a Z-Image model
//   sd1           is a Stable Diffusion 1 model
//
//   prompt        does
//   ------        ----
//   slow          takes 20 ms per evaluation of the model
//   nothing       logs an error, returns no picture
//   no-pixels     returns a picture without pixels
//   gray          returns a picture with one channel
//   one-color     returns a picture of one single color
//   frames        returns three frames instead of one
//   overflows     computes NaN in its first step, and continues
//   ends-in-nan   computes NaN in its last step, and decodes a picture of many colors
//   decodes-nan   decodes to NaN, and returns a picture of many colors
//   tiles         encodes pictures and decodes in four tiles, and reports them
//   encodes-nan   computes NaN while it encodes pictures
//   encodes-slowly encodes the prompt for 0.1 s
//   loads-files   first loads files of additions to the model, in loader threads
//   levels        logs a line per level
//   long-line     logs a warning that is truncated at 4 KiB, inside a character
//   throws        throws std::runtime_error while it samples
//   aborts        calls abort() while it samples
//   segfaults     dies of SIGSEGV while it samples
//
//   LoRA's path   does
//   -----------   ----
//   slow          loads for 0.3 s
//   missing       cannot be loaded
//   foreign       has 20 tensors; the model uses 5 of them, and all 20 without this word
//
// The model path of an upscaler takes the same words for loading, and these:
//
//   x1, x4        its factor is 1 or 4 instead of 2
//   nothing       logs an error, returns no picture
//   overflows     computes NaN
//   throws-later  throws std::runtime_error while it upscales
//   slow-tiles    takes 20 ms per tile
//
// It repeats pixels, adds 1 to those at the border of its input, and logs the input's size.
//
// The pixel in column x and row y is (x, y, seed), each modulo 256. Sizes are rounded up to
// multiples of 16. The registry contains a CPU and two GPUs, "Fake0" and "Fake1".

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cmath>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "engine/devices.h"
#include "engine/engine_names.h"
#include "engine/graph_stop.h"
#include "engine/library_session.h"
#include "engine/measure_speed.h"
#include "engine/number_checks.h"
#include "engine/prompt.h"
#include "ggml-backend.h"
#include "ggml.h"
#include "stable-diffusion.h"

using namespace std::chrono_literals;

// Devices: ggml's registry, which can list a device without its backend.

struct ggml_backend_reg {
  const char* name;
  std::vector<ggml_backend_dev_t> devices;
};

struct ggml_backend_device {
  const char* name;
  const char* description;
  enum ggml_backend_dev_type type;
  std::size_t memory;
  ggml_backend_reg_t backend;
};

namespace {

ggml_backend_reg fake_backend{"Fake", {}};
ggml_backend_reg software_backend{"Software", {}};
ggml_backend_reg cpu_backend{"CPU", {}};
ggml_backend_device fake0{"Fake0", "A fake GPU", GGML_BACKEND_DEVICE_TYPE_GPU, 8u << 20,
                          &fake_backend};
ggml_backend_device fake1{"Fake1", "Another", GGML_BACKEND_DEVICE_TYPE_GPU, 4u << 20,
                          &fake_backend};
ggml_backend_device software0{"Software0", "llvmpipe (LLVM 15.0.6, 256 bits)",
                              GGML_BACKEND_DEVICE_TYPE_GPU, 4u << 20, &software_backend};
ggml_backend_device cpu{"CPU", "A fake CPU", GGML_BACKEND_DEVICE_TYPE_CPU, 0, &cpu_backend};

struct Registry {
  std::vector<ggml_backend_reg_t> backends;
  std::vector<ggml_backend_dev_t> devices;

  void add(ggml_backend_reg_t backend) {
    backends.push_back(backend);
    devices.insert(devices.end(), backend->devices.begin(), backend->devices.end());
  }
};

Registry& registry() {
  static Registry registry = [] {
    fake_backend.devices = {&fake0, &fake1};
    software_backend.devices = {&software0};
    cpu_backend.devices = {&cpu};
    Registry initial;
    initial.add(&software_backend);
    initial.add(&fake_backend);
    initial.add(&cpu_backend);
    return initial;
  }();
  return registry;
}

}  // namespace

std::size_t ggml_backend_reg_count() { return registry().backends.size(); }
ggml_backend_reg_t ggml_backend_reg_get(std::size_t index) { return registry().backends.at(index); }
const char* ggml_backend_reg_name(ggml_backend_reg_t backend) { return backend->name; }
std::size_t ggml_backend_dev_count() { return registry().devices.size(); }
ggml_backend_dev_t ggml_backend_dev_get(std::size_t index) { return registry().devices.at(index); }
const char* ggml_backend_dev_name(ggml_backend_dev_t device) { return device->name; }
const char* ggml_backend_dev_description(ggml_backend_dev_t device) { return device->description; }
enum ggml_backend_dev_type ggml_backend_dev_type(ggml_backend_dev_t device) { return device->type; }
ggml_backend_reg_t ggml_backend_dev_backend_reg(ggml_backend_dev_t device) {
  return device->backend;
}
std::size_t ggml_backend_reg_dev_count(ggml_backend_reg_t backend) {
  return backend->devices.size();
}
void ggml_backend_register(ggml_backend_reg_t backend) { registry().add(backend); }

void ggml_backend_device_register(ggml_backend_dev_t device) {
  registry().devices.push_back(device);
}

void ggml_backend_dev_memory(ggml_backend_dev_t device, std::size_t* free, std::size_t* total) {
  *free = device->memory / 2;
  *total = device->memory;
}

ggml_backend_dev_t ggml_backend_dev_by_type(enum ggml_backend_dev_type type) {
  for (ggml_backend_dev_t device : registry().devices) {
    if (device->type == type) {
      return device;
    }
  }
  return nullptr;
}

void ggml_backend_unload(ggml_backend_reg_t backend) {
  auto& [backends, devices] = registry();
  const auto entry = std::find(backends.begin(), backends.end(), backend);
  if (entry == backends.end()) {
    return;  // its devices stay, as in ggml
  }
  devices.erase(
      std::remove_if(devices.begin(), devices.end(),
                     [&](ggml_backend_dev_t device) { return device->backend == backend; }),
      devices.end());
  backends.erase(entry);
}

void ggml_log_get(ggml_log_callback* on_line, void** data) {
  *on_line = nullptr;
  *data = nullptr;
}

const char* ggml_version() { return "0.0.0-stand-in"; }

const ggml_type_traits* ggml_get_type_traits(ggml_type /*type*/) {
  static const ggml_type_traits traits = [] {
    ggml_type_traits found{};
    found.from_float_ref = [](const float*, void*, std::int64_t) {};
    return found;
  }();
  return &traits;
}

bool ggml_quantize_requires_imatrix(ggml_type type) { return type == GGML_TYPE_IQ2_XXS; }

// The library's callbacks: one of each per process, without a lock.

namespace {

sd_log_cb_t log_callback = nullptr;
void* log_data = nullptr;
sd_progress_cb_t progress_callback = nullptr;
void* progress_data = nullptr;
sd_preview_cb_t preview_callback = nullptr;
preview_t preview_mode = PREVIEW_NONE;
bool preview_denoised = false;
void* preview_data = nullptr;

__attribute__((format(printf, 2, 3))) void log(sd_log_level_t level, const char* format, ...) {
  // The library formats into one buffer for all threads. Here each thread has its own, because that
  // data race is not under test.
  char line[4096 + 1];
  std::va_list arguments;
  va_start(arguments, format);
  const int prefix = std::snprintf(line, sizeof(line), "library.cpp:%-4d - ", 1);
  std::vsnprintf(line + prefix, sizeof(line) - 1 - static_cast<std::size_t>(prefix), format,
                 arguments);
  va_end(arguments);
  std::strcat(line, "\n");
  if (log_callback != nullptr) {
    log_callback(level, line, log_data);
  }
}

void report(int step, int steps) {
  if (progress_callback != nullptr) {
    progress_callback(step, steps, 0.01f, progress_data);
  } else if (step > 0) {
    std::printf("\r  |====>  | %d/%d - 0.01s/it\033[K%s", step, steps, step == steps ? "\n" : "");
    std::fflush(stdout);
  }
}

}  // namespace

class Words {
 public:
  explicit Words(const char* text) {
    std::istringstream stream(text != nullptr ? text : "");
    for (std::string word; stream >> word;) {
      words_.insert(word);
    }
  }

  bool have(const char* word) const { return words_.count(word) != 0; }

  void fail_if_requested() const {
    if (have("throws")) {
      throw std::runtime_error("thrown by the library");
    }
    if (have("aborts")) {
      std::abort();
    }
    if (have("segfaults")) {
      std::raise(SIGSEGV);
    }
  }

 private:
  std::set<std::string> words_;
};

void sd_set_log_callback(sd_log_cb_t callback, void* data) {
  log_callback = callback;
  log_data = data;
}

void sd_set_progress_callback(sd_progress_cb_t callback, void* data) {
  progress_callback = callback;
  progress_data = data;
}

void sd_set_preview_callback(sd_preview_cb_t callback, preview_t mode, int interval, bool denoised,
                             bool /*noisy*/, void* data) {
  preview_callback = interval == 1 ? callback : nullptr;
  preview_mode = mode;
  preview_denoised = denoised;
  preview_data = data;
}

// Names.

namespace {

constexpr const char* sampler_names[] = {
    "euler",   "euler_a", "heun",          "dpm2", "dpm++2s_a",     "dpm++2m", "dpm++2mv2", "ipndm",
    "ipndm_v", "lcm",     "ddim_trailing", "tcd",  "res_multistep", "res_2s",  "er_sde"};
constexpr const char* scheduler_names[] = {"discrete",   "karras",      "exponential", "ays",
                                           "gits",       "sgm_uniform", "simple",      "smoothstep",
                                           "kl_optimal", "lcm",         "bong_tangent"};
constexpr const char* upscaler_names[] = {"None",
                                          "Latent",
                                          "Latent (nearest)",
                                          "Latent (nearest-exact)",
                                          "Latent (antialiased)",
                                          "Latent (bicubic)",
                                          "Latent (bicubic antialiased)",
                                          "Lanczos",
                                          "Nearest",
                                          "Model"};

template <typename Name, std::size_t count>
Name named(const char* const (&names)[count], const char* text) {
  const auto* const found = std::find_if(
      names, names + count, [&](const char* name) { return std::strcmp(name, text) == 0; });
  return static_cast<Name>(found - names);  // one past the last is the library's "unknown"
}

}  // namespace

const char* sd_sample_method_name(sample_method_t method) { return sampler_names[method]; }
const char* sd_scheduler_name(scheduler_t scheduler) { return scheduler_names[scheduler]; }
sample_method_t str_to_sample_method(const char* text) {
  return named<sample_method_t>(sampler_names, text);
}
scheduler_t str_to_scheduler(const char* text) { return named<scheduler_t>(scheduler_names, text); }
sd_hires_upscaler_t str_to_sd_hires_upscaler(const char* text) {
  return named<sd_hires_upscaler_t>(upscaler_names, text);
}
int32_t sd_get_num_physical_cores() { return 2; }
const char* sd_commit() { return "0123456"; }
const char* sd_get_system_info() {
  return "System Info: \n    SSE3 = 1 |     AVX = 0 |     AVX2 = 1 | ";
}

// Loading.

struct sd_ctx_t {
  Words words;
  bool frees_weights;
  bool decodes_only;
  std::unique_ptr<std::vector<float>> weights;
};

void sd_ctx_params_init(sd_ctx_params_t* params) {
  *params = {};
  params->vae_decode_only = true;
  params->free_params_immediately = true;
  params->n_threads = sd_get_num_physical_cores();
  params->wtype = SD_TYPE_COUNT;
}

namespace {

constexpr int tensors_in_a_file = 20;
constexpr int loader_threads = 4;

// Like ModelLoader::load_tensors(): if report() throws, joinable threads end the process.
void load_file(const Words& words, int file, int files) {
  std::atomic<int> next{0};
  std::vector<std::thread> loaders;
  for (int i = 0; i < loader_threads; ++i) {
    loaders.emplace_back([&] {
      for (int tensor = next++; tensor < tensors_in_a_file; tensor = next++) {
        if (words.have("noisy")) {
          log(SD_LOG_DEBUG, "loading tensor %d", tensor);
        }
        std::this_thread::sleep_for(words.have("slow") ? 300ms * loader_threads / tensors_in_a_file
                                                       : 1ms);
      }
    });
  }
  const int total = files * tensors_in_a_file;
  for (int now = next; now < tensors_in_a_file; now = next) {
    report(file * tensors_in_a_file + now, total);
    std::this_thread::sleep_for(2ms);
  }
  for (std::thread& loader : loaders) {
    loader.join();
  }
  report((file + 1) * tensors_in_a_file, total);
  if (file + 1 < files) {
    std::printf("\n");
  }
}

}  // namespace

sd_ctx_t* new_sd_ctx(const sd_ctx_params_t* params) {
  std::vector<const char*> paths;
  for (const char* path :
       {params->model_path, params->diffusion_model_path, params->vae_path, params->clip_l_path,
        params->clip_g_path, params->t5xxl_path, params->llm_path, params->llm_vision_path,
        params->taesd_path, params->control_net_path}) {
    if (path != nullptr && *path != '\0') {
      paths.push_back(path);
    }
  }
  const Words words(paths.empty() ? "" : paths.front());
  for (const enum ggml_backend_dev_type type :
       {GGML_BACKEND_DEVICE_TYPE_GPU, GGML_BACKEND_DEVICE_TYPE_CPU}) {
    if (const ggml_backend_dev_t device = ggml_backend_dev_by_type(type)) {
      log(SD_LOG_INFO, "loading on %s with %d threads", device->name, params->n_threads);
      break;
    }
  }
  for (const char* path : paths) {
    log(SD_LOG_INFO, "loading '%s'", path);
  }
  log(SD_LOG_INFO, "Version: %s ",
      words.have("z-image") ? "Z-Image"
      : words.have("sd1")   ? "SD 1.x"
                            : "Flux");
  if (!params->vae_decode_only) {
    log(SD_LOG_DEBUG, "loading the encoder");
  }
  if (params->qwen_image_zero_cond_t) {
    log(SD_LOG_DEBUG, "zero_cond_t");
  }
  words.fail_if_requested();
  const int files = static_cast<int>(paths.size());
  for (int file = 0; file < files; ++file) {
    load_file(words, file, files);
  }
  if (words.have("damaged")) {
    gpustack_draw::NumberChecks::report_damaged_tensor("a.weight");
    log(SD_LOG_ERROR, "load tensors from model loader failed");
    return nullptr;
  }
  if (words.have("fails")) {
    log(SD_LOG_WARN, "tensor 'a' has a wrong shape");
    log(SD_LOG_ERROR, "load tensors from model loader failed");
    return nullptr;
  }
  return new sd_ctx_t{words, params->free_params_immediately, params->vae_decode_only,
                      std::make_unique<std::vector<float>>(64, 1.0f)};
}

void free_sd_ctx(sd_ctx_t* context) {
  if (context->words.have("slow-to-free")) {
    for (int i = 0; i < 30; ++i) {
      log(SD_LOG_DEBUG, "freeing");
      std::this_thread::sleep_for(10ms);
    }
  }
  delete context;
}

// Drawing.

bool sd_ctx_supports_video_generation(const sd_ctx_t* context) {
  return context->words.have("video");
}

namespace {

template <typename Params>
void init(Params* params) {
  *params = {};
  params->sample_params.guidance = {7.0f, INFINITY, 3.5f, {nullptr, 0, 0.01f, 0.2f, 0.0f}};
  params->sample_params.scheduler = SCHEDULER_COUNT;
  params->sample_params.sample_method = SAMPLE_METHOD_COUNT;
  params->sample_params.sample_steps = 20;
  params->sample_params.eta = INFINITY;
  params->sample_params.flow_shift = INFINITY;
  params->width = 512;
  params->height = 512;
  params->strength = 0.75f;
  params->seed = -1;
}

}  // namespace

void sd_img_gen_params_init(sd_img_gen_params_t* params) {
  init(params);
  params->clip_skip = -1;
  params->batch_count = 1;
  params->control_strength = 0.9f;
}

void sd_vid_gen_params_init(sd_vid_gen_params_t* params) {
  init(params);
  params->video_frames = 6;
}

namespace {

int rounded_up(int size) { return (size + 15) / 16 * 16; }

// Begins a graph, as the library does. Returns false if it failed.
bool compute() {
  return !gpustack_draw::GraphStop::is_requested() || gpustack_draw::GraphStop::must_succeed();
}

// Like get_learned_condition(): the process ends if the graph of a text encoder fails.
void encode_text(const Words& words) {
  if (words.have("encodes-slowly")) {
    std::this_thread::sleep_for(100ms);
  }
  if (!compute()) {
    std::abort();
  }
  log(SD_LOG_INFO, "get_learned_condition completed, taking 0.00s");
}

// Passes on the result of a graph, as the library does.
void read_result(bool has_nan) {
  const float numbers[] = {-3e38f, 0.0f, has_nan ? NAN : 3e38f};
  gpustack_draw::NumberChecks::check_result(numbers, 3);
}

// Reports the preview of a step: pixels of (step, 1, 2), 8 x 8 unless decoded.
void report_preview(int step, int width, int height) {
  if (preview_callback == nullptr || !preview_denoised) {
    return;
  }
  const bool is_decoded = preview_mode == PREVIEW_VAE;
  sd_image_t image{static_cast<uint32_t>(is_decoded ? width : 8),
                   static_cast<uint32_t>(is_decoded ? height : 8), 3, nullptr};
  std::vector<uint8_t> pixels(std::size_t{3} * image.width * image.height);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<uint8_t>(i % 3 == 0 ? std::abs(step) : static_cast<int>(i % 3));
  }
  image.data = pixels.data();
  preview_callback(step, 1, &image, /*is_noisy=*/false, preview_data);
}

// Like the library's samplers: the number of an evaluation is its step, negated if a second
// evaluation of the same step follows (except in the last step). Only the end of a step is
// reported. Returns false if an evaluation failed.
bool sample(const sd_ctx_t& context, const Words& words, const sd_sample_params_t& params,
            int steps, int width, int height) {
  float sum = 0.0f;
  const auto evaluate = [&](int step) {
    if (step == 1 || step == -1) {
      report(0, steps);
    }
    if (!compute()) {
      return false;
    }
    for (const float weight : *context.weights) {
      sum += weight;
    }
    if (words.have("slow")) {
      std::this_thread::sleep_for(20ms);
    }
    if (std::abs(step) == (steps + 1) / 2) {
      words.fail_if_requested();
    }
    const bool is_last = std::abs(step) == steps;
    read_result(words.have("overflows") || (words.have("ends-in-nan") && is_last));
    report_preview(step, width, height);
    if (step > 0 || step == -steps) {
      report(std::abs(step), steps);
    }
    return true;
  };
  const bool twice = params.sample_method == HEUN_SAMPLE_METHOD ||
                     params.sample_method == DPM2_SAMPLE_METHOD ||
                     params.sample_method == RES_2S_SAMPLE_METHOD;
  for (int step = 1; step <= steps; ++step) {
    if ((twice && !evaluate(-step)) || ((!twice || step < steps) && !evaluate(step))) {
      log(SD_LOG_ERROR, "diffusion model compute failed");
      return false;
    }
  }
  log(SD_LOG_DEBUG, "sum of the weights: %g", static_cast<double>(sum));
  return true;
}

// Like init_sample_cache_runtime() and log_sample_cache_summary(): the library says nothing about
// evaluations that Spectrum did not skip.
void log_step_cache(const sd_cache_params_t& cache, int steps) {
  switch (cache.mode) {
    case SD_CACHE_DBCACHE:
      log(SD_LOG_INFO, "CacheDIT enabled - mode: DBCache, threshold: %.3f",
          static_cast<double>(cache.residual_diff_threshold));
      log(SD_LOG_INFO, "CacheDIT completed without skipping steps");
      break;
    case SD_CACHE_SPECTRUM:
      log(SD_LOG_INFO, "Spectrum enabled - w: 0.40, m: 3");
      if (steps > 1) {
        log(SD_LOG_INFO, "Spectrum skipped %d/%d steps (2.00x estimated speedup)", steps / 2,
            steps);
      }
      break;
    case SD_CACHE_EASYCACHE:
      log(SD_LOG_WARN, "EasyCache requested but not supported for this model type");
      break;
    default:
      break;
  }
}

// Computes a picture in one graph, or in tiles. Returns false if one failed.
bool compute_tiles(const Words& words) {
  if (!words.have("tiles")) {
    return compute();
  }
  for (int tile = 0; tile <= 4; ++tile) {
    report(tile, 4);
    if (!compute()) {
      return false;
    }
    if (words.have("slow")) {
      std::this_thread::sleep_for(20ms);
    }
  }
  return true;
}

// Like encode_first_stage(): without the encoder, or for another number of channels, the process
// ends. Returns false if a graph failed.
bool encode(const sd_ctx_t& context, const Words& words, const char* name,
            const sd_image_t& image) {
  if (context.decodes_only || image.channel != 3) {
    std::abort();
  }
  log(SD_LOG_DEBUG, "%s %ux%u %d", name, image.width, image.height, image.data[0]);
  read_result(words.have("encodes-nan"));
  return compute_tiles(words);
}

// Like prepare_image_generation_latents(). Returns the number of steps; 0 if a graph failed.
int encode_pictures(const sd_ctx_t& context, const Words& words,
                    const sd_img_gen_params_t& params) {
  int steps = params.sample_params.sample_steps;
  if (params.init_image.data != nullptr) {
    log(SD_LOG_INFO, "IMG2IMG");
    if (params.strength < 1.0f) {
      steps = std::min(static_cast<int>(static_cast<float>(steps) * params.strength) + 1, steps);
    }
    if (!encode(context, words, "image", params.init_image)) {
      return 0;
    }
  }
  if (const sd_image_t& mask = params.mask_image; mask.data != nullptr) {
    log(SD_LOG_DEBUG, "mask %ux%ux%u %d", mask.width, mask.height, mask.channel, mask.data[0]);
  }
  if (params.control_image.data != nullptr) {
    if (!context.decodes_only && !encode(context, words, "control", params.control_image)) {
      return 0;
    }
    log(SD_LOG_DEBUG, "control strength %g", static_cast<double>(params.control_strength));
  }
  for (int i = 0; i < params.ref_images_count; ++i) {
    const sd_image_t& reference = params.ref_images[i];
    if (reference.width % 16 != 0 || reference.height % 16 != 0 || context.words.have("z-image")) {
      std::abort();
    }
    if (!encode(context, words, "reference", reference)) {
      return 0;
    }
  }
  if (params.increase_ref_index) {
    log(SD_LOG_DEBUG, "increase_ref_index");
  }
  if (params.init_image.data != nullptr || params.ref_images_count > 0) {
    log(SD_LOG_INFO, "encode_first_stage completed, taking 0.00s");
  }
  return steps;
}

int encode_pictures(const sd_ctx_t& /*context*/, const Words& /*words*/,
                    const sd_vid_gen_params_t& params) {
  return params.sample_params.sample_steps;
}

struct Size {
  int width;
  int height;
};

// Like generate_image() after the first pass. Returns the size of the picture; 0x0 if a graph
// failed.
Size draw_larger(const sd_ctx_t& context, const Words& words, const sd_img_gen_params_t& params,
                 Size size) {
  const sd_hires_params_t& hires = params.hires;
  if (!hires.enabled) {
    return size;
  }
  const Size larger{rounded_up(hires.target_width), rounded_up(hires.target_height)};
  log(SD_LOG_INFO, "hires fix: upscaling to %dx%d", larger.width, larger.height);
  const auto strength = hires.denoising_strength;
  const int schedule = static_cast<int>(static_cast<float>(hires.steps) / strength);
  const int last = static_cast<int>(static_cast<float>(schedule) * strength);
  const int steps = std::min(last, schedule - 1) + 1;
  log(SD_LOG_DEBUG, "%s, %d of %d steps", upscaler_names[hires.upscaler], steps, schedule);
  if (!sample(context, words, params.sample_params, steps, larger.width, larger.height)) {
    return {0, 0};
  }
  log_step_cache(params.cache, steps);
  log(SD_LOG_INFO, "hires sampling 1/1 completed, taking 0.00s");
  log(SD_LOG_INFO, "hires fix completed, taking 0.00s");
  return larger;
}

Size draw_larger(const sd_ctx_t& /*context*/, const Words& /*words*/,
                 const sd_vid_gen_params_t& /*params*/, Size size) {
  return size;
}

sd_image_t decode(const Words& words, int width, int height, std::int64_t seed) {
  const std::size_t channels = words.have("gray") ? 1 : 3;
  sd_image_t image{static_cast<uint32_t>(width), static_cast<uint32_t>(height),
                   static_cast<uint32_t>(channels), nullptr};
  if (words.have("no-pixels")) {
    return image;
  }
  read_result(words.have("decodes-nan"));
  image.data = static_cast<uint8_t*>(
      std::malloc(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * channels));
  uint8_t* pixel = image.data;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const std::int64_t color[] = {x, y, seed};
      const bool plain = words.have("one-color");
      for (std::size_t channel = 0; channel < channels; ++channel) {
        *pixel++ = plain ? uint8_t{0} : static_cast<uint8_t>(color[channel]);
      }
    }
  }
  return image;
}

// Returns a prompt as the text encoders receive it.
std::string encoded(const char* text) {
  std::ostringstream pieces;
  for (const gpustack_draw::PromptPiece& piece : gpustack_draw::read_library_text(text)) {
    pieces << (piece.starts_chunk ? "BREAK" : "");
    if (piece.weight == 1.0F) {
      pieces << piece.text;
    } else {
      pieces << '(' << piece.text << ':' << piece.weight << ')';
    }
  }
  return pieces.str();
}

// Like apply_loras(): each file is read for the text encoders, for the denoiser and for the VAE.
template <typename Params>
void load_loras(const Params& params) {
  for (std::uint32_t i = 0; i < params.lora_count; ++i) {
    const sd_lora_t& lora = params.loras[i];
    log(SD_LOG_DEBUG, "lora %s:%.2f%s", lora.path, static_cast<double>(lora.multiplier),
        lora.is_high_noise ? " high noise" : "");
  }
  for (int component = 0; component < 3; ++component) {
    for (std::uint32_t i = 0; i < params.lora_count; ++i) {
      const char* path = params.loras[i].path;
      log(SD_LOG_INFO, "loading LoRA from '%s'", path);
      if (Words(path).have("missing")) {
        log(SD_LOG_ERROR, "init lora model loader from file failed: '%s'", path);
        log(SD_LOG_WARN, "load lora tensors from %s failed", path);
        continue;
      }
      load_file(Words(path), 0, 1);  // finds the tensors of the component
      load_file(Words(path), 0, 1);  // reads them
    }
  }
  if (params.lora_count > 0) {
    log(SD_LOG_INFO, "apply_loras completed, taking 0.00s");
  }
}

// Like lora_stat(): a line for each file and component that has tensors.
template <typename Params>
void count_lora_tensors(const Params& params) {
  for (std::uint32_t i = 0; i < params.lora_count; ++i) {
    const char* path = params.loras[i].path;
    const bool is_foreign = Words(path).have("foreign");
    log(is_foreign ? SD_LOG_WARN : SD_LOG_INFO,
        "%s(%d / %d) LoRA tensors have been applied, lora_file_path = %s",
        is_foreign ? "Only " : "", is_foreign ? 5 : tensors_in_a_file,
        is_foreign ? 8 : tensors_in_a_file, path);
  }
}

template <typename Params>
sd_image_t* generate(sd_ctx_t* context, const Params* params, int count) {
  const Words words(params->prompt);
  const sd_sample_params_t& sampling = params->sample_params;
  const int width = rounded_up(params->width);
  const int height = rounded_up(params->height);
  load_loras(*params);
  if (words.have("loads-files")) {
    load_file(words, 0, 1);
  }
  log(SD_LOG_INFO, "sampling using %s method", sd_sample_method_name(sampling.sample_method));
  log(SD_LOG_DEBUG,
      "prompt '%s', negative '%s', %s, %s, %d steps, cfg %g, guidance %g, seed %" PRId64,
      encoded(params->prompt).c_str(), encoded(params->negative_prompt).c_str(),
      sd_sample_method_name(sampling.sample_method), sd_scheduler_name(sampling.scheduler),
      sampling.sample_steps, static_cast<double>(sampling.guidance.txt_cfg),
      static_cast<double>(sampling.guidance.distilled_guidance), params->seed);
  if (words.have("levels")) {
    log(SD_LOG_DEBUG, "a detail");
    log(SD_LOG_INFO, "a fact");
    log(SD_LOG_WARN, "a warning");
    log(SD_LOG_ERROR, "an error");
  }
  if (words.have("long-line")) {
    std::string line = "a";
    while (line.size() < 8192) {
      line += "\xF0\x9F\x8E\xA8";  // U+1F3A8, four bytes
    }
    log(SD_LOG_WARN, "%s", line.c_str());
  }
  if (words.have("nothing")) {
    log(SD_LOG_ERROR, "diffusion model compute failed");
    return nullptr;
  }
  const int steps = encode_pictures(*context, words, *params);
  if (steps == 0) {
    return nullptr;
  }
  encode_text(words);
  if (!sample(*context, words, sampling, steps, width, height)) {
    return nullptr;
  }
  log_step_cache(params->cache, steps);
  log(SD_LOG_INFO, "sampling completed, taking 0.00s");
  const Size size = draw_larger(*context, words, *params, {width, height});
  if (size.width == 0 || !compute_tiles(words)) {
    return nullptr;
  }
  if (context->frees_weights) {
    context->weights.reset();
  }
  auto* images =
      static_cast<sd_image_t*>(std::calloc(static_cast<std::size_t>(count), sizeof(sd_image_t)));
  for (int i = 0; i < count; ++i) {
    images[i] = decode(words, size.width, size.height, params->seed + i);
  }
  count_lora_tensors(*params);
  return images;
}

}  // namespace

sd_image_t* generate_image(sd_ctx_t* context, const sd_img_gen_params_t* params) {
  if (context->words.have("video")) {
    std::abort();  // the library does not check this
  }
  log(SD_LOG_INFO, "generate_image %dx%d", rounded_up(params->width), rounded_up(params->height));
  return generate(context, params, params->batch_count);
}

// Inverts the picture.
bool preprocess_canny(sd_image_t image, float high, float low, float weak, float strong,
                      bool inverse) {
  log(SD_LOG_DEBUG, "canny %g %g %g %g %d", static_cast<double>(high), static_cast<double>(low),
      static_cast<double>(weak), static_cast<double>(strong), static_cast<int>(inverse));
  const std::size_t samples = std::size_t{image.width} * image.height * image.channel;
  for (std::size_t i = 0; i < samples; ++i) {
    image.data[i] = static_cast<std::uint8_t>(255 - image.data[i]);
  }
  return true;
}

sd_image_t* generate_video(sd_ctx_t* context, const sd_vid_gen_params_t* params, int* count) {
  const bool has_more_frames = Words(params->prompt).have("frames");
  const int frames = has_more_frames ? 3 : (params->video_frames - 1) / 4 * 4 + 1;
  log(SD_LOG_INFO, "generate_video %dx%dx%d", rounded_up(params->width), rounded_up(params->height),
      frames);
  *count = 0;
  sd_image_t* images = generate(context, params, frames);
  *count = images == nullptr ? 0 : frames;
  return images;
}

// The hooks of the library's loader, which this file does not have.
gpustack_draw::EngineNames gpustack_draw::engine_names(const std::vector<HeaderTensor>& model,
                                                       const std::vector<std::string>& lora) {
  EngineNames names;
  for (const HeaderTensor& tensor : model) {
    names.model.push_back(tensor.name);
  }
  names.lora = lora;
  return names;
}

double gpustack_draw::measure_speed(const std::string& device, int threads) {
  const LibrarySession session(nullptr);
  for (const Device& each : list_devices()) {
    if (each.name == device) {
      return 1e9 * threads;
    }
  }
  throw std::invalid_argument("no device named '" + device + "'");
}

// Upscaling.

struct upscaler_ctx_t {
  Words words;
  std::uint32_t factor;
};

upscaler_ctx_t* new_upscaler_ctx(const char* path, bool offload, bool direct, int threads,
                                 int tile_size) {
  const Words words(path);
  log(SD_LOG_INFO, "loading esrgan from '%s' with %d threads%s%s, tile size %d", path, threads,
      offload ? ", offload" : "", direct ? ", direct" : "", tile_size);
  words.fail_if_requested();
  load_file(words, 0, 1);
  if (words.have("damaged")) {
    gpustack_draw::NumberChecks::report_damaged_tensor("conv_first.weight");
    return nullptr;
  }
  if (words.have("fails")) {
    log(SD_LOG_ERROR, "load esrgan tensors from model loader failed");
    return nullptr;
  }
  return new upscaler_ctx_t{words, words.have("x1") ? 1U : words.have("x4") ? 4U : 2U};
}

void free_upscaler_ctx(upscaler_ctx_t* context) { delete context; }

int get_upscale_factor(upscaler_ctx_t* context) { return static_cast<int>(context->factor); }

sd_image_t upscale(upscaler_ctx_t* context, sd_image_t input, uint32_t /*factor*/) {
  log(SD_LOG_INFO, "upscaling %ux%u", input.width, input.height);
  if (!compute()) {
    return {0, 0, 0, nullptr};
  }
  if (context->words.have("slow-tiles")) {
    std::this_thread::sleep_for(20ms);
  }
  if (context->words.have("throws-later")) {
    throw std::runtime_error("thrown by the library");
  }
  read_result(context->words.have("overflows"));
  if (context->words.have("nothing")) {
    log(SD_LOG_ERROR, "esrgan compute failed");
    return {0, 0, 0, nullptr};
  }
  sd_image_t image{input.width * context->factor, input.height * context->factor, input.channel,
                   nullptr};
  const std::size_t samples = std::size_t{image.width} * image.height * image.channel;
  image.data = static_cast<uint8_t*>(std::malloc(samples));
  for (std::size_t i = 0; i < samples; ++i) {
    const std::size_t x = i / image.channel % image.width / context->factor;
    const std::size_t y = i / image.channel / image.width / context->factor;
    const bool border = x == 0 || y == 0 || x + 1 == input.width || y + 1 == input.height;
    const std::size_t from = (y * input.width + x) * input.channel + i % image.channel;
    image.data[i] = static_cast<uint8_t>(input.data[from] + (border ? 1 : 0));
  }
  return image;
}
