"""Work for a client as long as it is connected."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from starlette.requests import ClientDisconnect
from starlette.types import Receive

_Result = TypeVar("_Result")


async def while_connected(
    receive: Receive,
    work: Callable[[], Awaitable[_Result]],
    *watches: Callable[[], Awaitable[None]],
) -> _Result:
    """Return the result of work, which is canceled as soon as the client is gone.

    Args:
        receive: Returns the next message of the request, whose body has been read.
        work: The work. It must not end the response, because that looks like a disconnect.
        watches: Run beside the work; each returns when it finds that the client is gone.

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

        async def end_after(watch: Callable[[], Awaitable[None]]) -> None:
            await watch()
            tasks.cancel_scope.cancel()

        async def disconnect() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        tasks.start_soon(run)
        for watch in (disconnect, *watches):
            tasks.start_soon(end_after, watch)
    if failures:
        raise failures[0]
    if not results:
        raise ClientDisconnect
    return results[0]
