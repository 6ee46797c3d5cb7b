"""Draw on a GPUStack server, and deploy models there; the only user of an HTTP client for it."""

from gpustack_draw.gpustack_server.connection import LogFunction
from gpustack_draw.gpustack_server.deployment import Deployment
from gpustack_draw.gpustack_server.deployment_plan import DeploymentPlan, plan_deployment
from gpustack_draw.gpustack_server.server import GpustackServer, ProgressFunction

__all__ = [
    "Deployment",
    "DeploymentPlan",
    "GpustackServer",
    "LogFunction",
    "ProgressFunction",
    "plan_deployment",
]
