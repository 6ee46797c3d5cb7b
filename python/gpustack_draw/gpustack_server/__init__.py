"""Drawing on a GPUStack server, and deploying models there."""

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
