#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/backend_files.h"

namespace gpustack_draw {

/// A device that can compute, from ggml's registry.
struct Device {
  std::string name;            ///< Argument of use_device(), such as "FastCPU" or "CUDA0".
  std::string description;     ///< Its manufacturer's name, and what the build lacks.
  std::string type;            ///< "cpu", "gpu", "igpu", "accel" or "software".
  std::uint64_t memory_free;   ///< Bytes; 0 if the driver does not report it.
  std::uint64_t memory_total;  ///< Bytes; 0 if the driver does not report it.
  bool used;                   ///< True for the device that use_device("auto") selects.
};

/// Lists the devices. Its first call, or that of another function in this header, loads the GPU
/// backends of other packages.
std::vector<Device> list_devices();

/// Returns the notes and the log of loading these backends.
const std::vector<BackendLine>& backend_log();

/// Makes the library load models on a device from now on.
///
/// @param name "auto", or the name of a device in any case. "auto" is the first GPU, or else the
///   CPU; never a driver that computes a GPU's work on the CPU.
///
/// @return The name of the device.
/// @throws std::invalid_argument No device has that name.
std::string use_device(const std::string& name);

}  // namespace gpustack_draw
