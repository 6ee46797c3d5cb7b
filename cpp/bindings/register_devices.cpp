#include <pybind11/stl.h>

#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

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

constexpr auto set_backend_files_doc =
    R"doc(Set the library files of packages that bring a GPU backend.

Has an effect before the devices are used or listed for the first time, which loads the files.

Args:
    files: Package, path, and the problem because of which the file must not be loaded, empty if
        there is none. Paths are str, or bytes that need not be valid UTF-8.
)doc";

constexpr auto backend_log_doc = R"doc(Return what was logged when the GPU backends were loaded.

Returns:
    Level and line: "note" for each backend that is not used, and the levels of a log.
)doc";

void set_files(const std::vector<std::tuple<std::string, std::string, std::string>>& tuples) {
  std::vector<BackendFile> files;
  for (const auto& [package, path, problem] : tuples) {
    files.push_back({package, path, problem});
  }
  set_backend_files(std::move(files));
}

std::vector<std::pair<std::string, py::bytes>> log_lines() {
  // Loading takes a driver's time.
  const std::vector<BackendLine>& log = [] {
    const py::gil_scoped_release nogil;
    return std::cref(backend_log());
  }();
  std::vector<std::pair<std::string, py::bytes>> lines;
  for (const BackendLine& line : log) {
    lines.emplace_back(line.level, py::bytes(line.text));
  }
  return lines;
}

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
  module.def("set_backend_files", &set_files, py::arg("files"), set_backend_files_doc);
  module.def("backend_log", &log_lines, backend_log_doc);
  module.def(
      "measure_speed",
      [](const std::string& device, int threads) {
        return without_gil([&] { return measure_speed(device, threads); });
      },
      py::arg("device"), py::kw_only(), py::arg("threads"), measure_speed_doc);
}

}  // namespace gpustack_draw
