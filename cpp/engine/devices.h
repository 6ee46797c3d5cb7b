#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gpustack_draw {

/// Something that can compute, as ggml lists it.
struct Device {
  std::string name;            ///< What use_device() takes, such as "FastCPU" or "CUDA0".
  std::string description;     ///< The maker's name for it.
  std::string kind;            ///< "cpu", "gpu", "igpu" or "accel".
  std::uint64_t memory_free;   ///< Bytes; 0 where the driver does not tell.
  std::uint64_t memory_total;  ///< Bytes; 0 where the driver does not tell.
  bool used;                   ///< The library would load a model here now.
};

std::vector<Device> list_devices();

/// Make the library load models on one device from now on: "auto" for its own choice (the first
/// GPU, else the CPU), or a device's name in any case.
///
/// @throws std::invalid_argument No device has that name.
void use_device(const std::string& name);

/// The name of the device that the library would load a model on now.
std::string used_device();

}  // namespace gpustack_draw
