#include <pybind11/stl.h>

#include "bindings/module.h"
#include "engine/devices.h"

namespace py = pybind11;

namespace gpustack_draw {

void register_devices(py::module_& module) {
  py::classh<Device>(module, "Device", "Something that can compute.")
      .def_readonly("name", &Device::name)
      .def_readonly("description", &Device::description)
      .def_readonly("kind", &Device::kind, "'cpu', 'gpu', 'igpu' or 'accel'.")
      .def_readonly("memory_free", &Device::memory_free, "Bytes; 0 where the driver does not tell.")
      .def_readonly("memory_total", &Device::memory_total,
                    "Bytes; 0 where the driver does not tell.")
      .def_readonly("used", &Device::used, "A model would be loaded here now.");
  module.def("list_devices", &list_devices, py::call_guard<py::gil_scoped_release>(),
             "What can compute here.");
}

}  // namespace gpustack_draw
