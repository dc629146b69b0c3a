"""What models of requests and answers have in common."""

from pydantic import BaseModel, ConfigDict


class Asked(BaseModel):
    """What a caller sends: a name that we do not know is refused."""

    model_config = ConfigDict(extra="forbid")


class Told(BaseModel):
    """What we answer."""
