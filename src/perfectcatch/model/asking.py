"""The step that asks the mirror about the whole company."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from perfectcatch.model.workflow import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(Step):
    """A question about the whole company, answered from the mirror; the answer is kept under the step's id.

    ``question`` is a name of ``workflows/questions``; texts in ``values`` are templates or expressions.
    ``otherwise`` is the answer in a dry run: nobody knows what the board looked like then.
    """

    question: str
    otherwise: Mapping[str, Any]
    values: Mapping[str, Any] = field(default_factory=dict)
