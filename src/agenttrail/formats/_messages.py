"""Message content of the agents' logs as OTel message parts, and small readers of foreign values.

Parts follow the OTel GenAI message schemas (semantic-conventions-genai e07f4eba, model/gen-ai).
Base64 is never kept: its media type, size and SHA-256 (first 16 bytes) stand for it.
"""

from __future__ import annotations

import hashlib
from typing import Any

from agenttrail.jsontext import dumps, loads

_LONG = 2**63


def string(value: Any) -> str | None:
    """`value` where it is a string with something in it."""
    return value if isinstance(value, str) and value else None


def integer(value: Any) -> int | None:
    """`value` where it is a count: a whole number from 0 that fits a long."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LONG:
        return None
    return value


def code(value: Any) -> int | None:
    """`value` where it is an exit code: a whole number that fits a long, negative on a signal."""
    if isinstance(value, bool) or not isinstance(value, int) or not -_LONG <= value < _LONG:
        return None
    return value


def mapping(value: Any) -> dict[str, Any]:
    """`value` where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def wrapped(value: Any) -> dict[str, Any] | None:
    """`value` as the object that a field of type object wants."""
    if value is None:
        return None
    return value if isinstance(value, dict) else {"value": value}


def unpacked(value: Any) -> Any:
    """The object or list that a string holds as JSON; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return loads(value)
        except ValueError:
            return value
    return value


def size(value: Any) -> int:
    """Bytes of `value` as JSON."""
    return len(dumps(value))


def text_of(content: Any) -> str:
    """The text of a string, of a list of parts or blocks, or of one of them, lines joined."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text for text in map(text_of, content) if text)
    if isinstance(content, dict):
        for key in ("text", "content", "output", "message"):
            if isinstance(content.get(key), (str, list)):
                return text_of(content[key])
    return ""


def blob(data: Any, mime_type: Any, modality: str = "") -> dict[str, Any]:
    """What stands for base64 data."""
    text = data if isinstance(data, str) else ""
    if text.startswith("data:") and "," in text[:200]:
        head, text = text.split(",", 1)
        mime_type = mime_type or head[5:].split(";")[0]
    kind = mime_type if isinstance(mime_type, str) else "application/octet-stream"
    return {
        "type": "blob",
        "modality": modality or kind.split("/")[0],
        "mime_type": kind,
        "size": len(text) * 3 // 4,
        "sha256": hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32],
    }


def parts(content: Any) -> list[dict[str, Any]]:
    """The parts of Anthropic or OpenAI Responses content: a string, a block, or a list of both."""
    if content is None:
        return []
    blocks = content if isinstance(content, list) else [content]
    return [_part(block) for block in blocks]


def _part(block: Any) -> dict[str, Any]:
    if not isinstance(block, dict):
        return {"type": "text", "content": block if isinstance(block, str) else str(block)}
    kind = block.get("type")
    if kind in ("text", "input_text", "output_text", "summary_text", "reasoning_text", "refusal"):
        text = block.get("text", block.get("refusal", ""))
        reasoning = kind in ("summary_text", "reasoning_text")
        return {"type": "reasoning" if reasoning else "text", "content": text_of(text)}
    if kind == "thinking":  # its signature is opaque and long
        return {"type": "reasoning", "content": text_of(block.get("thinking", ""))}
    if kind == "redacted_thinking":
        return {"type": "redacted_thinking", "size": len(str(block.get("data", "")))}
    if kind == "tool_use":
        return {
            "type": "tool_call",
            "id": block.get("id"),
            "name": block.get("name"),
            "arguments": block.get("input"),
        }
    if kind == "tool_result":
        return {
            "type": "tool_call_response",
            "id": block.get("tool_use_id"),
            "response": bare(block.get("content")),
        }
    if kind in ("server_tool_use", "mcp_tool_use"):
        return {
            "type": "server_tool_call",
            "id": block.get("id"),
            "name": block.get("name"),
            "server_tool_call": {"type": str(block.get("name")), "input": block.get("input")},
        }
    if isinstance(kind, str) and kind.endswith("_tool_result"):
        return {
            "type": "server_tool_call_response",
            "id": block.get("tool_use_id"),
            "server_tool_call_response": {"type": kind, "content": bare(block.get("content"))},
        }
    if kind in ("image", "document", "input_image", "input_audio"):
        return _media(block, str(kind))
    return _object(bare(block))


def _media(block: dict[str, Any], kind: str) -> dict[str, Any]:
    modality = {"document": "document", "input_audio": "audio"}.get(kind, "image")
    source = mapping(block.get("source")) or block
    url = source.get("url", source.get("image_url"))
    if isinstance(url, dict):
        url = url.get("url")
    data = source.get("data")
    if isinstance(url, str) and not url.startswith("data:"):
        return {"type": "uri", "modality": modality, "uri": url}
    if source.get("type") == "text":
        return {"type": "text", "content": text_of(data)}
    return blob(url if data is None else data, source.get("media_type"), modality)


def bare(value: Any) -> Any:
    """`value` with base64 data at any depth put as `blob` does, blocks otherwise as they are."""
    if isinstance(value, list):
        return [bare(item) for item in value]
    if not isinstance(value, dict):
        return value
    source = value.get("source")
    if isinstance(source, dict) and isinstance(source.get("data"), str):
        return {**value, "source": blob(source["data"], source.get("media_type"))}
    if isinstance(value.get("data"), str) and isinstance(value.get("mimeType"), str):
        return {**value, "data": blob(value["data"], value["mimeType"])}  # MCP image, audio
    url = value.get("image_url")
    if isinstance(url, str) and url.startswith("data:"):
        return {**value, "image_url": blob(url, None)}
    return {key: bare(item) for key, item in value.items()}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"type": "text", "content": str(value)}
