"""Keywords of functions that are the fields of records, such as those of DrawRequest.

The function takes them as ``**options``. Each record has a TypedDict beside it, from which type
checkers know them; editors and notebooks know them from the signature that is set here.
"""

import functools
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Record = TypeVar("_Record")


def takes_fields(*records: Any, without: Collection[str] = ()) -> Callable[[_Function], _Function]:
    """Make ``**options`` of a function the fields of records; another keyword is a TypeError.

    Args:
        records: Dataclasses. Fields that are parameters of the function itself are left out.
        without: Fields that are no keywords of the function.
    """

    def decorate(function: _Function) -> _Function:
        signature = _signature_with_fields(function, records, without)

        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            for name in options:
                if name not in signature.parameters:
                    raise TypeError(
                        f"{function.__qualname__}() got an unexpected keyword argument {name!r}"
                    )
            return function(*arguments, **options)

        call.__signature__ = signature  # type: ignore[attr-defined]
        return call  # type: ignore[return-value]

    return decorate


def record_of(record: Callable[..., _Record], options: Mapping[str, object]) -> _Record:
    """Return a record of those options that are its fields."""
    names = [field.name for field in fields(record)]  # type: ignore[arg-type]
    return record(**{name: options[name] for name in names if name in options})


def _signature_with_fields(
    function: Callable[..., Any], records: Collection[Any], without: Collection[str]
) -> inspect.Signature:
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    unlisted = {*without, *signature.parameters}
    listed = [
        each for record in records for each in _parameters(record) if each.name not in unlisted
    ]
    parameters = sorted([*listed, *own], key=lambda parameter: parameter.kind)
    return signature.replace(parameters=parameters)


def _parameters(record: Any) -> Iterator[inspect.Parameter]:
    for field in fields(record):
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=field.type
        )
