"""Names of people in Latin letters that words, forms and keys tell, so that no model is needed.

A name is one to four words that begin with a capital; behind a key of people (`assignee`, `from`) two and
more, since one word there is a login, a team or a branch.

Limits: names in small letters, and names that nothing but the sense of a sentence tells.
"""

from __future__ import annotations

import re

# A person's name in Latin letters: one to four words that begin with a capital. It counts behind a word
# of letters and forms, and before an address in angle brackets.
_WORD = r"[A-ZÀ-ÖØ-Þ][\w'’.-]{0,24}"
_NAME = rf"({_WORD}(?: {_WORD}){{0,3}})"
_TWO = rf"({_WORD}(?: {_WORD}){{1,3}})"
_HEADER = (
    r"(?i:(?<![A-Za-z-])(?:from|to|cc|bcc|reply-to|sender|organizer|author|committer|signed-off-by|co-authored-by|reviewed-by"
    rf"|acked-by|tested-by|reported-by|approved-by))[\"']?: ?[\"']?{_NAME}[\"']?(?= ?<[^<>@\s]{{1,64}}@)"
)
_BEFORE_MAIL = rf"(?:(?<=^)|(?<=[,;\n\"'\t>]))\s?{_TWO}[\"']? ?(?=<[^<>@\s]{{1,64}}@)"
_LETTER = rf"(?<![A-Za-z])(?:Dear|Hello|Hi)(?: (?:Mr|Mrs|Ms|Dr|Prof)\.?)? {_NAME}(?=[,!:]|\.?\n)"
_TITLED = rf"(?<![A-Za-z])(?:Mr|Mrs|Ms|Dr|Prof|Mister|Madam)\.? {_NAME}"
_SIGNED = rf"(?i:(?:best|kind|warm)? ?regards|sincerely(?: yours)?|yours (?:truly|faithfully)|cheers),?\s{{1,4}}{_TWO}(?![\w ])"
_LABELLED = (
    r"(?i:(?<![A-Za-z])(?:customer|client|patient|employee|contact|recipient|sender|full|first|last|given|family|sur|middle"
    r"|maiden|display|real|account|card|passenger|guest|payee|beneficiary|person|member|student|tenant)(?:[_ -]?holder)?(?:'s)?"
    rf"[_ -]?name(?! (?:is|was) not))[\"']?(?: is)?\s?[:=>]?\s?[\"']?{_NAME}"
)
_NAMED = (
    r"(?m:(?:^|(?<=[\s|;,]))(?:Name|Full name|Contact|Attn|Attention|FN|CN|cn|ATTENDEE;CN|ORGANIZER;CN)[:=]\s?"
    rf"|(?<=[?&(, ])name=)[\"']?{_TWO}"
)
# Words that begin with a capital where names do, and are none.
_NO_NAME = re.compile(
    r"(?i)(?:all|team|support|sir|madam|customer|client|user|there|everyone|friends?|colleagues?|hiring|manager|admin|root|none"
    r"|null|undefined|true|false|unknown|string|required|optional|must|should|field|value|name|first|last|full|the|this|is"
    r"|not|no|invalid|missing|empty|example)\b"
)


def is_person(value: str) -> bool:
    """True for a value that is written as a name is and is no word of a form."""
    return _NO_NAME.match(value) is None and any(map(str.islower, value)) and len(value) > 2


# Pattern with the name as its group, and score.
PEOPLE = (
    (_HEADER, 0.8),
    (_BEFORE_MAIL, 0.7),
    (_LETTER, 0.7),
    (_TITLED, 0.7),
    (_SIGNED, 0.7),
    (_LABELLED, 0.7),
    (_NAMED, 0.7),
)

# Keys of people where the value is written like a person's name, and of logins and teams where not.
_SOFT_NAMES = frozenset(
    [
        "assignee",
        "assignedto",
        "author",
        "owner",
        "creator",
        "createdby",
        "updatedby",
        "modifiedby",
        "approver",
        "approvedby",
        "reviewer",
        "reviewedby",
        "requester",
        "requestedby",
        "reporter",
        "reportedby",
        "manager",
        "supervisor",
        "employee",
        "patient",
        "customer",
        "client",
        "contact",
        "attendee",
        "attendees",
        "participant",
        "participants",
        "organizer",
        "sender",
        "receiver",
        "from",
        "to",
        "cc",
        "member",
        "members",
        "guest",
        "passenger",
        "beneficiary",
        "payee",
        "displayname",
        "signedby",
        "teacher",
        "student",
        "doctor",
        "driver",
        "tenant",
        "buyer",
        "seller",
        "host",
        "caller",
    ]
)
_WRITTEN_NAME = re.compile(r"[A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ'’-]+(?: [A-ZÀ-ÖØ-Þ](?:\.|[\w'’-]+)){1,3}")


def is_written_name(key: str, value: str) -> bool:
    """True for two and more words with capitals under a key of people."""
    return (
        len(value) < 80
        and _WRITTEN_NAME.fullmatch(value) is not None
        and (re.sub(r"[ _.-]", "", key.lower()) in _SOFT_NAMES)
    )
