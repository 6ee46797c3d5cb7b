#include "engine/devices.h"

#include <algorithm>
#include <cctype>
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

const char* type_name(enum ggml_backend_dev_type type) {
  switch (type) {
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
};

const Registry& original_registry() {
  static const Registry registry = [] {
    if (ggml_backend_dev_count() == 0) {
      ggml_backend_load_all();
    }
    register_fast_cpu();
    Registry found;
    for (std::size_t i = 0; i < ggml_backend_reg_count(); ++i) {
      found.backends.push_back(ggml_backend_reg_get(i));
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

// Follows the library: the first GPU, else the first integrated GPU, else the CPU.
ggml_backend_dev_t default_device() {
  for (const auto type : {GGML_BACKEND_DEVICE_TYPE_GPU, GGML_BACKEND_DEVICE_TYPE_IGPU,
                          GGML_BACKEND_DEVICE_TYPE_CPU}) {
    if (ggml_backend_dev_t device = ggml_backend_dev_by_type(type)) {
      return device;
    }
  }
  return nullptr;
}

}  // namespace

std::vector<Device> list_devices() {
  std::vector<Device> devices;
  original_registry();
  const std::scoped_lock lock(registry_mutex());
  const ggml_backend_dev_t used = default_device();
  for (ggml_backend_dev_t device : original_registry().devices) {
    std::size_t memory_free = 0;
    std::size_t memory_total = 0;
    ggml_backend_dev_memory(device, &memory_free, &memory_total);
    devices.push_back({ggml_backend_dev_name(device), ggml_backend_dev_description(device),
                       type_name(ggml_backend_dev_type(device)), memory_free, memory_total,
                       device == used});
  }
  return devices;
}

void use_device(const std::string& name) {
  const Registry& original = original_registry();
  const std::scoped_lock lock(registry_mutex());
  const bool automatic = lower(name) == "auto";
  const auto chosen = std::find_if(original.devices.begin(), original.devices.end(),
                                   [&](ggml_backend_dev_t device) {
                                     return lower(ggml_backend_dev_name(device)) == lower(name);
                                   });
  if (!automatic && chosen == original.devices.end()) {
    throw std::invalid_argument("no device named '" + name + "'");
  }
  // The library has no parameter for the device and takes the first one in ggml's registry. So the
  // registry is reduced to the chosen device and the CPU backend, which every graph needs.
  for (ggml_backend_reg_t backend : original.backends) {
    unregister(backend);
  }
  for (ggml_backend_reg_t backend : original.backends) {
    const bool is_cpu = lower(ggml_backend_reg_name(backend)) == "cpu";
    if (automatic || is_cpu) {
      ggml_backend_register(backend);
    }
    if (!automatic && !is_cpu && ggml_backend_dev_backend_reg(*chosen) == backend) {
      ggml_backend_device_register(*chosen);
    }
  }
}

std::string used_device() {
  original_registry();
  const ggml_backend_dev_t device = default_device();
  return device != nullptr ? ggml_backend_dev_name(device) : "";
}

}  // namespace gpustack_draw
