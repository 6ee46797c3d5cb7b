#include "engine/devices.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <mutex>
#include <stdexcept>

#include "cpu/backend.h"
#include "ggml-backend.h"

namespace gpustack_draw {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char character) { return std::tolower(character); });
  return text;
}

bool is_cpu(ggml_backend_dev_t device) {
  return ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_CPU;
}

// Vulkan drivers that run on the CPU, which takes them a hundred times as long as FastCPU. ggml
// lists them as GPUs if GGML_VK_VISIBLE_DEVICES names them.
bool is_software(ggml_backend_dev_t device) {
  constexpr const char* drivers[] = {"llvmpipe", "swiftshader", "microsoft basic render"};
  const std::string description = lower(ggml_backend_dev_description(device));
  return !is_cpu(device) &&
         std::any_of(std::begin(drivers), std::end(drivers), [&](const char* driver) {
           return description.find(driver) != std::string::npos;
         });
}

const char* type_name(ggml_backend_dev_t device) {
  if (is_software(device)) {
    return "software";
  }
  switch (ggml_backend_dev_type(device)) {
    case GGML_BACKEND_DEVICE_TYPE_CPU:
      return "cpu";
    case GGML_BACKEND_DEVICE_TYPE_GPU:
      return "gpu";
    case GGML_BACKEND_DEVICE_TYPE_IGPU:
      return "igpu";
    default:
      return "accel";
  }
}

// Says so if the build of a GPU's backend cannot use matrix cores, even if the GPU has them.
std::string description(ggml_backend_dev_t device) {
  const std::string missing =
      missing_shaders(ggml_backend_reg_name(ggml_backend_dev_backend_reg(device)));
  const std::string name = ggml_backend_dev_description(device);
  return missing.rfind("matrix cores", 0) == 0 ? name + ", without matrix cores" : name;
}

// Removes a backend and its devices from ggml's registry. Registers it first, because
// ggml_backend_unload() ignores a backend that is not registered, even if devices of it are.
void unregister(ggml_backend_reg_t backend) {
  ggml_backend_register(backend);
  for (std::size_t i = ggml_backend_reg_count(); i-- > 0;) {
    if (ggml_backend_reg_get(i) == backend) {
      ggml_backend_unload(backend);
    }
  }
}

// The library computes on the first CPU device of the registry, so FastCPU must precede ggml's.
void register_fast_cpu() {
  ggml_backend_reg_t fast = cpu::fast_cpu();
  ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  if (fast != nullptr && cpu != nullptr) {
    ggml_backend_reg_t plain = ggml_backend_dev_backend_reg(cpu);
    unregister(plain);
    ggml_backend_register(fast);
    ggml_backend_register(plain);
  }
}

/// Contents of ggml's registry before use_device() first changed it.
struct Registry {
  std::vector<ggml_backend_reg_t> backends;
  std::vector<ggml_backend_dev_t> devices;
  std::vector<BackendLine> log;
};

const Registry& original_registry() {
  static const Registry registry = [] {
    register_fast_cpu();
    Registry found;
    found.log = load_backend_files();
    for (std::size_t i = 0; i < ggml_backend_reg_count(); ++i) {
      ggml_backend_reg_t backend = ggml_backend_reg_get(i);
      found.backends.push_back(backend);
      const std::string name = ggml_backend_reg_name(backend);
      if (const std::string missing = missing_shaders(name); !missing.empty()) {
        found.log.push_back({"info", name + " was built without shaders for " + missing});
      }
    }
    for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
      found.devices.push_back(ggml_backend_dev_get(i));
    }
    return found;
  }();
  return registry;
}

// list_devices() may read the registry while a session in another thread changes it.
std::mutex& registry_mutex() {
  static std::mutex mutex;
  return mutex;
}

// The device that "auto" stands for: the first GPU, else the first integrated GPU, else the CPU.
ggml_backend_dev_t automatic_device() {
  for (const auto type : {GGML_BACKEND_DEVICE_TYPE_GPU, GGML_BACKEND_DEVICE_TYPE_IGPU,
                          GGML_BACKEND_DEVICE_TYPE_CPU}) {
    for (ggml_backend_dev_t device : original_registry().devices) {
      if (ggml_backend_dev_type(device) == type && !is_software(device)) {
        return device;
      }
    }
  }
  return nullptr;
}

ggml_backend_dev_t device_named(const std::string& name) {
  if (lower(name) == "auto") {
    return automatic_device();
  }
  const std::vector<ggml_backend_dev_t>& devices = original_registry().devices;
  const auto found = std::find_if(devices.begin(), devices.end(), [&](ggml_backend_dev_t device) {
    return lower(ggml_backend_dev_name(device)) == lower(name);
  });
  return found != devices.end() ? *found : nullptr;
}

}  // namespace

std::vector<Device> list_devices() {
  std::vector<Device> devices;
  const ggml_backend_dev_t used = automatic_device();
  for (ggml_backend_dev_t device : original_registry().devices) {
    std::size_t memory_free = 0;
    std::size_t memory_total = 0;
    ggml_backend_dev_memory(device, &memory_free, &memory_total);
    devices.push_back({ggml_backend_dev_name(device), description(device), type_name(device),
                       memory_free, memory_total, device == used});
  }
  return devices;
}

const std::vector<BackendLine>& backend_log() { return original_registry().log; }

std::string use_device(const std::string& name) {
  const ggml_backend_dev_t chosen = device_named(name);
  if (chosen == nullptr) {
    throw std::invalid_argument("no device named '" + name + "'");
  }
  const std::vector<ggml_backend_reg_t>& backends = original_registry().backends;
  const std::scoped_lock lock(registry_mutex());
  // The library has no parameter for the device: it takes the first GPU of ggml's registry, else
  // the first CPU, and the first CPU for the networks that are kept off a GPU. So the registry is
  // reduced to the chosen device, ggml's CPU backend, which every graph needs, and beside a GPU
  // FastCPU.
  for (ggml_backend_reg_t backend : backends) {
    unregister(backend);
  }
  for (ggml_backend_reg_t backend : backends) {
    const bool is_plain_cpu = lower(ggml_backend_reg_name(backend)) == "cpu";
    if (is_plain_cpu || (!is_cpu(chosen) && backend == cpu::fast_cpu())) {
      ggml_backend_register(backend);
    } else if (ggml_backend_dev_backend_reg(chosen) == backend) {
      ggml_backend_device_register(chosen);
    }
  }
  return ggml_backend_dev_name(chosen);
}

}  // namespace gpustack_draw
