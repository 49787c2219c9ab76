"""The language model as the drafts know it: a writer that either gives a text or says that it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from knowledge.drafts import WriterFailed
from knowledge.llm import Completion, Llm, LlmFailed


@dataclass(frozen=True, slots=True)
class LlmWriter:
    """Writes through the model of the settings."""

    llm: Llm

    async def complete(self, system: str, data: Mapping[str, Any], *, max_chars: int) -> Completion:
        """Return a text of the model; `WriterFailed` when there is none."""
        try:
            return await self.llm.complete(system, data, max_chars=max_chars)
        except LlmFailed as error:
            raise WriterFailed(str(error)) from error
