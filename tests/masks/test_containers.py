"""Every kind of value in everything that agents write it into: SQL, CSV, YAML, XML, shells, headers, logs.

A matrix, so that no pair is left to chance. What the mask does not find is listed with its reason:
docs/masking.md and the limits of the modules say the same.
"""

from __future__ import annotations

import pytest

from agenttrail import fields as f
from agenttrail.masks._attributes import Signal
from agenttrail.masks.presidio import PresidioMask, PresidioOptions
from tests.masks.conftest import event

VALUES = {
    "mail": "bob.smith@example.com", "phone": "+1 415 555 0187", "us phone": "415-555-0187",
    "th phone": "081-234-5678", "th digits": "0812345678", "ja phone": "090-1234-5678", "ja digits": "09012345678",
    "lo phone": "020 5555 1234", "lo digits": "02055551234", "card": "4111111111111111", "card in groups": "4111 1111 1111 1111",
    "iban": "GB29NWBK60161331926819", "ssn": "219-09-9999", "th id": "1101700207366", "my number": "570936414592",
    "ip": "203.0.113.77", "ip 6": "2001:db8::8a2e:370:7334", "mac": "00:1b:44:11:3a:b7",
}  # fmt: skip
FRAMES = {
    "sql": "INSERT INTO t (a,b) VALUES (7,'{}',NULL);", "sql number": "SELECT * FROM t WHERE x={} AND y=1",
    "csv": "id,name,val\n1,x,{},y\n2,x,{},35", "csv between numbers": "7,{},35", "tsv": "1\tx\t{}\ty",
    "yaml": "user:\n  - val: {}\n    other: 1", "yaml quoted": 'val: "{}"', "xml": '<rec><val>{}</val><b a="{}"/></rec>',
    "markdown": "| a | b |\n|---|---|\n| x | {} |", "link": "[call]({})", "shell": "./run.sh --value={} -v",
    "shell quoted": "echo '{}' | tee out", "env": "export VAL={}", "url": "https://x.example/p?v={}&z=1",
    "url path": "https://x.example/p/{}/z", "json": '{{"v":"{}"}}', "repr": "{{'v': '{}', 'n': 1}}", "object": "User(id=7, v='{}')",
    "key error": "KeyError: '{}'", "constraint": "DETAIL:  Key (v)=({}) already exists.", "header": "X-Value: {}\r\nHost: a",
    "log": "[INFO] 2026-01-02 03:04:05,123 handler v={} ok", "logfmt": "level=info v={} ms=12", "name of a file": "user_{}_log.txt",
    "path": "/srv/data/{}/f.txt", "brackets": "({})", "pipes": "a|{}|b", "semicolons": "x;{};y", "end": "It is {}.", "twice": "{}/{}",
    "thai": "ค่า {} ครับ", "japanese": "値 {} です", "lao": "ຄ່າ {} ເດີ", "escaped quotes": '\\"{}\\"', "escaped lines": "a\\n{}\\nb",
    "html": "<td>{}</td>", "colours": "\x1b[31m{}\x1b[0m", "hash": "#{}", "bold": "**{}**", "code": "`{}`", "toml": 'v = "{}"', "ldap": "cn=x,v={},dc=example",
    "graphql": 'mutation {{ add(v: "{}") {{ id }} }}', "curl": "curl -d 'v={}' https://a.example", "diff": "-  v: {}\n+  v: none",
    "grpc": "metadata: [('v', '{}')]", "vcard": "BEGIN:VCARD\nTEL;TYPE=CELL;VALUE={}\nEND:VCARD",
}  # fmt: skip
# Of numbers that only a check digit tells, one in eleven of any digits is right by chance: in a script
# of another country they are passed over.
FOREIGN = {("th id", "japanese"), ("my number", "thai"), ("my number", "lao")}

NAMES = {
    "en": ("Margaret Thatcher", "John Smith"), "th": ("สมชาย ใจดี", "กมลชนก ศรีสุข"),
    "ja": ("山田太郎", "佐藤 花子"), "lo": ("ສົມພອນ ວົງສາ", "ບຸນມີ ສີສຸກ"),
}  # fmt: skip
# Here words, forms or keys tell a name, so that `fast` finds it too.
TOLD = {
    "from": 'From: "{}" <x@example.com>', "to": "To: {} <x@example.com>", "git": "Author: {} <x@example.com>\nDate: Mon",
    "signed off": "commit abc\nSigned-off-by: {} <x@example.com>", "dear": "Dear {},\nthanks", "regards": "Best regards,\n{}",
    "name": "Name: {}", "assignment": "customer_name={}", "ldap": "cn={},ou=people,dc=example", "vcard": "FN:{}",
    "calendar": "ATTENDEE;CN={}:mailto:x@example.com", "query": "https://x.example/s?name={}&n=1", "assignee": '{{"assignee": "{}"}}',
    "author": '{{"author": "{}"}}', "manager": '{{"manager": {{"displayName": "{}"}}}}', "recipients": '{{"to": ["{}"]}}',
    "full name": '{{"full_name": "{}"}}',
}  # fmt: skip
# Here only the model or a list can.
READ = {
    "sql": "SELECT * FROM customers WHERE name = '{}'", "yaml": "customer:\n  name: {}\n  plan: gold",
    "xml": "<customer><name>{}</name></customer>", "html": "<b>{}</b>", "markdown": "| Name | Age |\n|---|---|\n| {} | 42 |",
    "trace": "ValueError: customer '{}' not found", "log": "2026-01-02 INFO user {} logged in", "assigned": "assigned to {} yesterday",
    "shell": "./invite.sh --name '{}'", "path": "/srv/docs/{}/cv.pdf",
}  # fmt: skip


@pytest.fixture(scope="module")
def fast() -> PresidioMask:
    return PresidioOptions(profile="fast").one()


def filled(frame: str, value: str) -> str:
    return frame.format(*[value] * frame.count("{}"))


@pytest.mark.parametrize("profile", ["balanced", "fast"])
@pytest.mark.parametrize("frame", FRAMES)
def test_each_value_is_found_in_each_container(mask, fast, profile, frame):
    used = mask if profile == "balanced" else fast
    names = [name for name in VALUES if (name, frame) not in FOREIGN]
    texts = [filled(FRAMES[frame], VALUES[name]) for name in names]
    left = [name for name, traced in zip(names, used.trace(texts), strict=True) if VALUES[name] in traced.masked]  # fmt: skip
    assert left == []


@pytest.mark.parametrize("profile", ["balanced", "fast"])
@pytest.mark.parametrize("language", NAMES)
def test_each_name_is_found_where_words_or_keys_tell_it(mask, fast, profile, language):
    used = mask if profile == "balanced" else fast
    for place, frame in TOLD.items():
        for name in NAMES[language]:
            (traced,) = used.trace([filled(frame, name)])
            assert not [part for part in name.split() if part in traced.masked], (place, name)


@pytest.mark.parametrize("language", NAMES)
def test_each_name_is_found_where_a_model_or_a_list_reads_it(mask, language):
    """In Latin letters these are the model's; a name that it does not see stays."""
    for place, frame in READ.items():
        for name in NAMES[language]:
            (traced,) = mask.trace([filled(frame, name)])
            assert not [part for part in name.split() if part in traced.masked], (place, name)


@pytest.mark.parametrize(
    "text",
    [
        "From: https://x.example/a",
        "Dear all,",
        "Name: read_text_file",
        "To: production",
        "display_name: string",
        "The customer name is missing",
        "name=First Name",
        '{"owner": "octo-org", "author": "renovate", "from": "main"}',
        '{"assignee": null, "to": ["a", "b"]}',
        "Dr. and Mrs. are titles",
        "<b>bold</b> <i>Note</i>",
        "Best regards",
    ],
)
def test_forms_without_a_name_stay(fast, text):
    assert fast.trace([text])[0].masked == text


def test_a_label_that_a_program_writes_is_searched(mask):
    """Evaluators write sentences; labels of ours come from files, not from spans."""
    signal = Signal(
        attributes={
            f.EVALUATION_LABEL: "Margaret Thatcher was rude", f.EVALUATION_NAME: "relevance",
            f.REGISTRY_OWNER: "Margaret Thatcher", f.POLICY_RULES: ["as Margaret Thatcher asked"],
        }
    )  # fmt: skip
    (masked,) = mask.signals([signal])
    assert masked.attributes[f.EVALUATION_NAME] == "relevance"
    assert "Thatcher" not in str(masked.attributes)
    fields = {f.EVALUATION_LABEL: "Margaret Thatcher was rude", f.EVALUATION_NAME: "not_relevant"}
    (made,) = mask([event(fields)])
    assert "Thatcher" not in str(made.fields[f.EVALUATION_LABEL])
    assert made.fields[f.EVALUATION_NAME] == "not_relevant"
