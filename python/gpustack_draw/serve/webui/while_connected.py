"""Work for a client as long as it is connected."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from starlette.requests import ClientDisconnect, Request

_Result = TypeVar("_Result")


async def while_connected(request: Request, work: Callable[[], Awaitable[_Result]]) -> _Result:
    """Return the result of work, which is canceled as soon as the client is gone.

    Args:
        request: A request whose body has been read.
        work: The work.

    Raises:
        ClientDisconnect: The client is gone.
        Exception: What the work raises.
    """
    results: list[_Result] = []
    failures: list[Exception] = []
    # An error that leaves a task group would come out in an ExceptionGroup.
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            try:
                results.append(await work())
            except Exception as error:
                failures.append(error)
            tasks.cancel_scope.cancel()

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        tasks.start_soon(run)
        tasks.start_soon(watch)
    if failures:
        raise failures[0]
    if not results:
        raise ClientDisconnect
    return results[0]
