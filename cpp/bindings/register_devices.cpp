#include <pybind11/stl.h>

#include <string>

#include "bindings/engine_call.h"
#include "bindings/module.h"
#include "engine/devices.h"
#include "engine/measure_speed.h"

namespace py = pybind11;

namespace gpustack_draw {
namespace {

constexpr auto measure_speed_doc = R"doc(Measure the speed of a device for a tenth of a second.

Args:
    device: Name of the device.
    threads: Threads of a CPU, 1 or more.

Returns:
    Floating-point operations per second; 0 if the device cannot compute.

Raises:
    ValueError: No device has that name.
    EngineError: Called inside a callback.
)doc";

}  // namespace

void register_devices(py::module_& module) {
  py::classh<Device>(module, "Device", "A device that can compute.")
      .def_readonly("name", &Device::name)
      .def_readonly("description", &Device::description)
      .def_readonly("type", &Device::type, "'cpu', 'gpu', 'igpu', 'accel' or 'software'.")
      .def_readonly("memory_free", &Device::memory_free,
                    "Bytes; 0 if the driver does not report it.")
      .def_readonly("memory_total", &Device::memory_total,
                    "Bytes; 0 if the driver does not report it.")
      .def_readonly("used", &Device::used, "True for the device that 'auto' selects.");
  module.def("list_devices", &list_devices, py::call_guard<py::gil_scoped_release>(),
             "List the devices of this machine that can compute.");
  module.def(
      "measure_speed",
      [](const std::string& device, int threads) {
        return without_gil([&] { return measure_speed(device, threads); });
      },
      py::arg("device"), py::kw_only(), py::arg("threads"), measure_speed_doc);
}

}  // namespace gpustack_draw
