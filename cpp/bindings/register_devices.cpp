#include <pybind11/stl.h>

#include "bindings/module.h"
#include "engine/devices.h"

namespace py = pybind11;

namespace gpustack_draw {

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
}

}  // namespace gpustack_draw
