#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gpustack_draw {

/// A device that can compute, from ggml's registry.
struct Device {
  std::string name;            ///< Argument of use_device(), such as "FastCPU" or "CUDA0".
  std::string description;     ///< The manufacturer's name for the device.
  std::string type;            ///< "cpu", "gpu", "igpu" or "accel".
  std::uint64_t memory_free;   ///< Bytes; 0 if the driver does not report it.
  std::uint64_t memory_total;  ///< Bytes; 0 if the driver does not report it.
  bool used;                   ///< True for the device that the library would load a model on now.
};

std::vector<Device> list_devices();

/// Makes the library load models on a device from now on.
///
/// @param name "auto" for the first GPU or else the CPU, or the name of a device in any case.
///
/// @throws std::invalid_argument No device has that name.
void use_device(const std::string& name);

/// Returns the name of the device that the library would load a model on now.
std::string used_device();

}  // namespace gpustack_draw
