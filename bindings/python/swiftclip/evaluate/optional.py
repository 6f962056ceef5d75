"""Packages that only some experiments need, imported when they do."""

from __future__ import annotations

import importlib
from typing import Any

from .._errors import Status, error_for


def needed(module: str, package: str, purpose: str) -> Any:
    """The module, imported now. Raises UnsupportedError with what to install where it is missing.

    module   such as "sklearn.linear_model"
    package  as pip knows it, such as "scikit-learn"
    purpose  what needs it: the start of the sentence
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise error_for(
            Status.UNSUPPORTED,
            f"{purpose} needs {package}, which cannot be imported ({error}). "
            f"Install it: pip install {package}, or with everything for experiments: pip install 'swiftclip[evaluate]'.",
        ) from error
