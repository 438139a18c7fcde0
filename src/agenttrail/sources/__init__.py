"""Stage 1: bytes in. A source gives records with the position to resume from."""

from agenttrail.sources.file import FileOptions
from agenttrail.sources.otlp import OtlpOptions
from agenttrail.sources.stdin import StdinOptions
from agenttrail.sources.tap import TapOptions

SourceOptions = FileOptions | OtlpOptions | StdinOptions | TapOptions
