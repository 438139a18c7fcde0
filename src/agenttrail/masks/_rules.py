"""Rules of our own, beside Presidio's: what a key says of its value, credentials, home folders.

Limits: the keys are English, Thai, Japanese and Lao, and the commonest romanised ones. A value under a key that is not listed is analysed as text,
a number under one is a card or an id where its check digit says so and never a phone: counts and ids
of that length are far more frequent. A JSON Schema under a key of secrets is no secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import chain

from agenttrail.masks import _worded
from agenttrail.masks._findings import Finding
from agenttrail.masks._near import Near
from agenttrail.recognizers.secret_words import is_placeholder, is_reference, is_template

# Keys, lower case and without space, underscore, dot and dash, whose strings and numbers are
# personal whatever they look like.
_KINDS = {
    "EMAIL_ADDRESS": "email emailaddress useremail emailid contactemail workemail customeremail recipientemail "
    "อีเมล อีเมล์ メールアドレス メアド 電子メール ອີເມວ ອີເມລ",
    "PHONE_NUMBER": "phone phonenumber phoneno mobile mobilenumber mobilephone mobileno telephone "
    "telephonenumber tel cellphone fax faxnumber msisdn workphone homephone contactnumber "
    "customerphone recipientphone contactphone callbackphone callbacknumber denwa denwabango keitai "
    "เบอร์ เบอร์โทร เบอร์โทรศัพท์ เบอร์มือถือ โทร โทรศัพท์ มือถือ หมายเลขโทรศัพท์ "
    "電話 電話番号 携帯 携帯電話 携帯番号 携帯電話番号 連絡先電話番号 ファックス ເບີ ເບີໂທ ເບີໂທລະສັບ ໂທລະສັບ ໂທ",
    "CREDIT_CARD": "creditcard creditcardnumber cardnumber cardno ccnumber cvv cvc cardcvc",
    "IBAN_CODE": "iban ibancode",
    "BANK_ACCOUNT": "accountnumber accountno bankaccount bankaccountnumber routingnumber "
    "เลขบัญชี เลขที่บัญชี เลขที่บัญชีธนาคาร บัญชีธนาคาร 口座番号 銀行口座 口座 ເລກບັນຊີ ບັນຊີທະນາຄານ",
    "US_SSN": "ssn socialsecurity socialsecuritynumber",
    "NATIONAL_ID": "nationalid nationalidnumber citizenid idcardnumber thaiid mynumber taxid "
    "driverlicense driverslicense drivinglicence licensenumber individualnumber kojinbango "
    "เลขบัตรประชาชน เลขประจำตัวประชาชน บัตรประชาชน เลขที่บัตรประชาชน เลขประจำตัวผู้เสียภาษี เลขใบขับขี่ "
    "マイナンバー 個人番号 免許証番号 運転免許証番号 ເລກບັດປະຈຳຕົວ ບັດປະຈຳຕົວ ເລກບັດ",
    "PASSPORT": "passport passportnumber passportno หนังสือเดินทาง เลขหนังสือเดินทาง เลขที่หนังสือเดินทาง พาสปอร์ต "
    "旅券番号 パスポート パスポート番号 ໜັງສືຜ່ານແດນ",
    "PERSON": "firstname lastname surname familyname givenname middlename maidenname fullname "
    "customername patientname employeename contactname recipientname sendername cardholder "
    "cardholdername accountholder realname recipient clientname contactperson personname nameth nameen "
    "nameja namejp namekana firstnameth lastnameth firstnamekana lastnamekana shimei furigana namae namaekanji chue "
    "chuesakul namsakul "
    "ชื่อ นามสกุล ชื่อสกุล ชื่อนามสกุล ชื่อและนามสกุล ชื่อจริง ชื่อเล่น ชื่อลูกค้า ชื่อผู้รับ ผู้รับ ชื่อผู้ติดต่อ ชื่อพนักงาน "
    "氏名 名前 お名前 姓 名 姓名 苗字 名字 フリガナ ふりがな カナ氏名 氏名カナ 顧客名 お客様名 担当者 担当者名 受取人 宛名 "
    "ຊື່ ນາມສະກຸນ ຊື່ແລະນາມສະກຸນ ຊື່ລູກຄ້າ ຊື່ຜູ້ຮັບ",
    "USER_NAME": "username userlogin loginname",
    "USER_ID": "useraccountid useraccountuuid enduserid enduserpseudoid",
    "DATE_OF_BIRTH": "dob dateofbirth birthdate birthday birthdatetime bornon "
    "วันเกิด วันเดือนปีเกิด 生年月日 誕生日 ວັນເກີດ ວັນເດືອນປີເກີດ",
    "ADDRESS": "address addressline addressline1 addressline2 address1 address2 streetaddress homeaddress "
    "postaladdress mailingaddress shippingaddress billingaddress deliveryaddress residentialaddress "
    "customeraddress recipientaddress contactaddress residence domicile jusho juusho "
    "ที่อยู่ ที่อยู่จัดส่ง ที่อยู่ตามบัตรประชาชน ที่อยู่ปัจจุบัน บ้านเลขที่ "
    "住所 現住所 自宅住所 届け先住所 配送先住所 番地 郵便番号 ທີ່ຢູ່ ທີ່ຢູ່ປັດຈຸບັນ",
    "SECRET": "password passwd passphrase secret clientsecret secretkey apikey xapikey accesskey "
    "accesstoken refreshtoken idtoken authtoken xauthtoken bearertoken apitoken sessiontoken "
    "csrftoken token authorization proxyauthorization cookie cookies setcookie privatekey "
    "credential credentials signature requeststate baggage",
}  # fmt: skip
_BY_KEY = {key: kind for kind, keys in _KINDS.items() for key in keys.split()}
_NOT_IN_KEY = re.compile(r"[ _.・\u3000-]")

# What this module and the walker put in place of a value, beside the entities of the recognisers.
KINDS = frozenset(_KINDS) | _worded.KINDS | {"CREDENTIALS", "USER_ID", "TEXT_TOO_LONG", "TH_TNIN"}

# Names of home folders that are no person's: made by systems, container images and CI services.
_NOBODY = frozenset(
    [
        "root",
        "runner",
        "ubuntu",
        "debian",
        "ec2-user",
        "node",
        "vscode",
        "codespace",
        "jovyan",
        "app",
        "user",
        "users",
        "public",
        "default",
        "shared",
        "guest",
        "admin",
        "administrator",
        "nobody",
        "home",
    ]
)
_NAME = r"[^\s/\\\"'`<>:;,|*?()\[\]{}=&#]"
_PERSON = rf"({_NAME}{{1,64}}(?: {_NAME}{{1,64}}){{1,2}}(?=[\\/])|{_NAME}{{1,64}})"
_OWNER = re.compile(rf"/+{_PERSON}")
_HOME = re.compile(
    rf"[A-Za-z]:[\\/]+(?:Users|Documents and Settings)[\\/]+{_PERSON}"
    r"|(?<=[\\/])-(?:home|Users)-([^\s/\\\"'<>:;,|-]{1,64})"
)
_HOMES = r"(?:home|Users|Documents and Settings)[\\/-]"
# Folders below which others are mounted or unpacked, /mnt/c/Users, /var/home, /export/home.
_ROOTS = frozenset(
    [
        "tmp",
        "mnt",
        "media",
        "var",
        "srv",
        "data",
        "opt",
        "private",
        "rootfs",
        "host",
        "backup",
        "Volumes",
        "export",
        "usr",
        "System",
        "nfs",
    ]
)
_SEGMENT = re.compile(r"(/+)([\w.-]{0,65})")
_CREDENTIALS = (
    # RFC 3986 3.2.1: user information before the host.
    (re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://([^\s/@?#\"'<>]{1,256}:[^\s/@?#\"'<>]{0,256}|[^\s/@?#\"'<>]{1,256})@"), "CREDENTIALS"),
    # Header lines, as in stderr or a curl command: to the end of the line or the closing quote.
    (re.compile(r"(?i)\b(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|digest|token|negotiate|apikey)\s+)?(?!(?:bearer|basic|digest|token|negotiate|apikey)\s)([^\s\"',<>]{4,})"), "SECRET"),
    (re.compile(r"(?i)\b(?:set-)?cookie[\"']?\s*:\s*[\"']?([^\r\n\"'<>]{3,})"), "SECRET"),
    (re.compile(r"(?i)\bbaggage[\"']?\s*:\s*[\"']?([^\r\n\"'<>]{3,})"), "SECRET"),
    (re.compile(r"\b(?:Bearer|Basic)\s+(?=[A-Za-z._~+/-]*[0-9=]|\S{24})([A-Za-z0-9._~+/=-]{8,})"), "SECRET"),
    (re.compile(r"(?i)[?&;](?:token|key|sig|signature|secret|code)=([^\s\"'&<>]{4,})"), "SECRET"),
    (re.compile(r"(?i)\b(?:user|login)_?(?:id|name)=([^\s\"'&,;<>]{1,128})"), "USER_ID"),
)  # fmt: skip
# A value in quotes, or up to a sign that ends it; at least so long that it is no word of a grammar.
_VALUE = r"(?:\"([^\"\r\n]{4,200})\"|'([^'\r\n]{4,200})'|[\"']?([^\s\"'&,;<>{}()\[\]]{4,}))"
_ASSIGNMENT = re.compile(
    r"(?i)(?:(?:api|access|secret|private)[_-]?key|(?:auth|access|refresh|id|session|bearer|api)[_-]?token"
    rf"|client[_-]?secret|password|passwd|passphrase)[\"'\]]{{0,2}}\s{{0,20}}[:=]\s{{0,20}}{_VALUE}"
    rf"|(?-i:_(?:TOKEN|SECRET|PASS|PWD))[\"']?={_VALUE}"
)
_BEFORE_NAME = re.compile(r"[\w.-]{0,40}\Z")
_OPTION = re.compile(
    r"(?i)(?<![\w-])--([a-z0-9-]{0,40}?(?:password|passwd|passphrase|secret|token|key|credentials?))(?:=|[ \t]{1,4})"
    r"(?:\"([^\"\r\n]{1,200})\"|'([^'\r\n]{1,200})'|([^\s\"'&;|<>`-][^\s\"'&;|<>`]{2,200}))"
)
# What stands behind an option where the talk is of the option: use --token to log in.
_TALK = frozenset(
    [
        "and",
        "are",
        "argument",
        "can",
        "cannot",
        "flag",
        "for",
        "from",
        "has",
        "instead",
        "is",
        "must",
        "not",
        "option",
        "or",
        "parameter",
        "requires",
        "should",
        "that",
        "the",
        "to",
        "was",
        "when",
        "where",
        "which",
        "will",
        "with",
    ]
)
# Presidio takes the slashes of a path or an address before an e-mail address as part of it and then
# refuses the whole, and passes over domains that the public suffix list does not know (.corp,
# .local). The endings are files and systemd units, as in logo@2x.png.
_MAIL = re.compile(
    r"(?<![A-Za-z0-9_.%+-])[A-Za-z0-9_][A-Za-z0-9_.!$*+~'-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){0,8}"
    r"(?:localhost|[A-Za-z0-9-]{1,63}\.(?!(?:png|jpe?g|gif|svg|webp|css|m?js|tsx?|json|map|py|md"
    r"|service|socket|target|timer|slice|mount|scope)(?![A-Za-z0-9-]))(?:[A-Za-z]{2,24}|xn--[A-Za-z0-9-]{2,59})"
    r"|corp|home|internal|intranet|lan|local|localdomain|private)"
    # A file may be named by an address: somchai@example.co.th.json.
    r"(?![A-Za-z0-9-]|\.(?!(?:bak|cfg|conf|csv|db|docx?|eml|gz|html?|ics|ini|jpe?g|json[5l]?|log|md|old"
    r"|parquet|pdf|png|pptx?|sql|te?xt|tmp|toml|tsv|vcf|xlsx?|xml|ya?ml|zip|zst)(?![A-Za-z0-9-]))[A-Za-z0-9])"
)

# Phones with a + or in groups, whatever number stands behind them: phonenumbers takes the 2 of
# "+66 81 234 5678 2 items" for a part and then refuses the whole.
_PHONE = re.compile(
    r"(?<![\w+.-])(?:\+[1-9]\d{0,2}(?:[ ().-]{0,2}\d){6,12}"
    r"|\(?0\d{1,3}\)?[ -]\d{3,4}[ -]\d{3,4}"
    r"|\(?[2-9]\d\d\)?[ .-][2-9]\d\d[ .-]\d{4})(?:[ ,;]{0,2}(?i:ext\.?|extension|x)[ :]?\d{1,6})?(?![\d-])"
)

# Cards wherever they begin: Presidio's pattern takes the four digits before a card for its first
# group, and after the check digit has failed goes on behind it.
_GAP = r"((?:[ \t-]|\r?\n)?)"
_CARD_TEXT = re.compile(
    rf"(?<!\d)(?=([2-6]\d{{3}}{_GAP}\d{{4}}\2\d{{4}}\2\d{{4}}|3[47]\d\d{_GAP}\d{{6}}\3\d{{5}}"
    rf"|3[068]\d\d{_GAP}\d{{6}}\4\d{{4}})(?!\d))"
)
_NO_DIGIT = re.compile(r"[ \t\r\n-]")


@lru_cache(4096)
def kind_of(key: str) -> str | None:
    """The kind of whatever stands under this key, or None where the key says nothing."""
    if len(key) > 100:
        return None
    bare = _NOT_IN_KEY.sub("", key.lower())
    kind = _BY_KEY.get(bare)
    return "SECRET" if kind is None and _is_secret(bare) else kind


# What ends in one of these is a secret (DB_PASSWORD, newPassword, X-Goog-Api-Key) ...
_SECRET_END = re.compile(
    r"(?:password|passwd|passphrase|passcode|passwort|secret|apikey|accesskey|secretkey|privatekey"
    r"|signingkey|encryptionkey|masterkey|sharedkey|accountkey|credential)s?\Z"
    r"|(?:access|auth|refresh|api|bearer|session|id|security|personal|oauth)tokens?\Z"
    r"|token\Z|(?:db|user|admin|smtp|ftp|mysql|postgres|pg|new|old|my|root)(?:pwd|pass)\Z|authorization\Z"
)
# ... but for tokens of language models and of pages, and what people name after secrets.
_NO_SECRET = re.compile(
    r"(?:max|min|num|total|count|input|output|prompt|completion|cached?|reasoning|thinking|next|page"
    r"|continuation|sync|start|end|stop|eos|bos|sep|cls|mask|pad|unk|special|last|first|prev|previous"
    r"|per|each|progress|cancel|cancellation|resume|snapshot|idempotency|client|sub|current)token\Z"
)


def _is_secret(bare: str) -> bool:
    return _SECRET_END.search(bare) is not None and _NO_SECRET.search(bare) is None


@lru_cache(4096)
def holds_secrets(key: str) -> bool:
    """True for a key below which every string and number is a part of a secret.

    A token or a signature may be an object with a meaning (a word of a text, a function's).
    """
    if kind_of(key) != "SECRET":
        return False
    return _NOT_IN_KEY.sub("", key.lower()) not in ("token", "signature", "baggage", "requeststate")


def is_count(value: int | float, key: str) -> bool:
    """True for a number under a key of secrets that is no secret: how many tokens, cookies, keys."""
    bare = _NOT_IN_KEY.sub("", key.lower())
    return abs(value) < 100_000 and re.search(r"pass(?:word|wd|phrase|code)s?\Z", bare) is None


_MAILS, _PHONES, _CARDS = (Near(p.pattern, 0) for p in (_MAIL, _PHONE, _CARD_TEXT))


def rule_findings(
    text: str, hits: Mapping[int, Sequence[int]] | None = None, like: str | None = None
) -> Iterator[Finding]:
    """Cards, phones, e-mail addresses, credentials and home folders in a text.

    Args:
        text: of any length.
        hits: places in RULES of those that can find anything, each with the places near which it
            can; None is all, anywhere.
        like: a text of the same length that is searched too: what both hold may be found there only.
    """
    if hits is None:
        for _, rule in RULES:
            yield from rule(text, (), None)
    else:
        for number, places in hits.items():
            yield from RULES[number][1](text, places, like)


def _mails(text: str, places: Sequence[int], like: str | None) -> Iterator[Finding]:
    if "@" in text:
        for match in _MAILS.matches(text, places, like):
            yield Finding(match.start(), match.end(), "EMAIL_ADDRESS", 0.8, "mail")


def _cards(text: str, places: Sequence[int], like: str | None) -> Iterator[Finding]:
    for match in _CARDS.matches(text, places, like):
        digits = _NO_DIGIT.sub("", match.group(1))
        if _CARD.fullmatch(digits) and _luhn(digits) and not _in_table(text, match):
            yield Finding(match.start(1), match.end(1), "CREDIT_CARD", 1.0, "card")


def _in_table(text: str, match: re.Match[str]) -> bool:
    """True where the groups are cells of a table or a column: more numbers stand beside them."""
    gap = match.group(2)
    if not gap or gap in " -":
        return False
    start, end = match.span(1)
    before = text[max(0, start - len(gap) - 1) : start]
    behind = text[end : end + len(gap) + 1]
    return (before[1:] == gap and before[0].isdigit()) or (
        behind[:-1] == gap and behind[-1].isdigit()
    )


def _phones(text: str, places: Sequence[int], like: str | None) -> Iterator[Finding]:
    for match in _PHONES.matches(text, places, like):
        yield Finding(match.start(), match.end(), "PHONE_NUMBER", 0.5, "phone")


def _homes(text: str, _places: Sequence[int], _like: str | None) -> Iterator[Finding]:
    owners = [_HOME.finditer(text)] if "Users" in text or "-home-" in text or "Settings" in text else []  # fmt: skip
    if "home/" in text or "Users/" in text:
        owners.append(_owners(text))
    for match in chain.from_iterable(owners):
        group = match.lastindex or 1
        name = match.group(group).lower()
        if name not in _NOBODY and any(map(str.isalnum, name)):
            yield Finding(*match.span(group), "USER_NAME", 0.9, "home_folder")


def _owners(text: str) -> Iterator[re.Match[str]]:
    """The owners of folders /home/… and /Users/…, also up to six folders below a known root.

    A path begins where no word stands before its slash: that of an address does not.
    """
    end = -1
    depth: int | None = None
    for match in _SEGMENT.finditer(text):
        start, name = match.start(), match.group(2)
        before = text[start - 1 : start]
        begins = len(match.group(1)) > 1 or not (before.isalnum() or before in ("_", "."))
        if start != end or len(name) > 64:
            depth = None
        end = match.end()
        if name in ("home", "Users") and (begins or depth is not None):
            owner = _OWNER.match(text, end)
            if owner:
                yield owner
        if begins and name in _ROOTS:
            depth = 0
        elif depth is not None:
            depth = depth + 1 if depth < 6 else None


def _credentials(
    pattern: re.Pattern[str], kind: str, text: str, _places: Sequence[int], _like: str | None
) -> Iterator[Finding]:
    if len(text) > 8:
        for match in pattern.finditer(text):
            if kind != "SECRET" or not is_template(match.group(1)):
                yield Finding(match.start(1), match.end(1), kind, 0.95, "credentials")


def _assignments(text: str, _places: Sequence[int], _like: str | None) -> Iterator[Finding]:
    for match in _ASSIGNMENT.finditer(text):
        group = match.lastindex or 1
        value = match.group(group)
        at = match.start()
        before = _BEFORE_NAME.search(text, max(0, at - 40), at)
        said = re.split(r"[^\w.-]", text[at : match.start(group)], maxsplit=1)[0]
        name = (before.group() if before else "") + said
        # A password may be any word; a key or token is none.
        is_password = "pass" in name.lower() or "pwd" in name.lower()
        if kind_of(name.strip("-.")) != "SECRET":
            continue
        if is_reference(value) if is_password else is_placeholder(value):
            continue
        if value.isdecimal() and is_count(int(value[:20]), name):
            continue
        yield Finding(*match.span(group), "SECRET", 0.95, "credentials")


def _options(text: str, _places: Sequence[int], _like: str | None) -> Iterator[Finding]:
    for match in _OPTION.finditer(text):
        group = match.lastindex or 1
        value = match.group(group)
        if kind_of(match.group(1)) != "SECRET" or is_reference(value) or value.lower() in _TALK:
            continue
        yield Finding(*match.span(group), "SECRET", 0.95, "credentials")


# A pattern that matches wherever the rule finds anything, and the rule.
RULES: tuple[tuple[str, _worded.Rule], ...] = (
    (_MAIL.pattern, _mails),
    (_CARD_TEXT.pattern.replace("(?=", "(?:"), _cards),
    (_PHONE.pattern, _phones),
    (_HOMES, _homes),
    (_ASSIGNMENT.pattern, _assignments),
    (_OPTION.pattern, _options),
    *((pattern.pattern, partial(_credentials, pattern, kind)) for pattern, kind in _CREDENTIALS),
    *_worded.WORDED,
)


# Length and first digits of the cards in use (ISO/IEC 7812 ranges as the networks publish them).
_CARD = re.compile(
    r"4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}|35\d{14}|3(?:0[0-5]|[68]\d)\d{11}|62\d{14}(?:\d{3})?"
)
_TIME_WORDS = frozenset(
    {
        "time",
        "timestamp",
        "date",
        "datetime",
        "epoch",
        "expires",
        "expiry",
        "expiration",
        "exp",
        "iat",
    }
    | {"created", "updated", "modified", "started", "ended", "at", "ts", "ms", "ns", "us", "mtime"}
    | {"since", "until"}
)
_COUNT_WORDS = frozenset(
    "order invoice receipt ticket tracking sku transaction txn batch build sequence seq offset".split()  # noqa: SIM905
)
_KEY_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_EPOCH = re.compile(r"1\d{9}(?:\d{3}){0,3}")


def is_time(value: str, key: str) -> bool:
    """True for an epoch (seconds to nanoseconds) under a key that speaks of time.

    Also for 12 and 13 digits, of which one in eleven has a valid check digit, under a key that speaks
    of orders and the like.
    """
    if not value.isdecimal():
        return False
    words = {word.lower() for word in _KEY_WORD.findall(key)}
    if _EPOCH.fullmatch(value) and not words.isdisjoint(_TIME_WORDS):
        return True
    return 12 <= len(value) <= 13 and not words.isdisjoint(_COUNT_WORDS)


def number_kind(value: int, key: str) -> str | None:
    """The kind of an integer that by itself is a card or a Thai id, or None.

    An epoch under a key that speaks of time is neither: one in eleven has a valid check digit.
    """
    if not 10**12 <= value < 10**19:
        return None
    digits = str(value)
    if _CARD.fullmatch(digits) and _luhn(digits):
        return "CREDIT_CARD"
    if len(digits) == 13 and _thai_id(digits) and not is_time(digits, key):
        return "TH_TNIN"
    return None


def _luhn(digits: str) -> bool:
    doubled = (int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits)))
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _thai_id(digits: str) -> bool:
    weighted = sum(int(d) * w for d, w in zip(digits, range(13, 1, -1), strict=False))
    return digits[0] != "9" and (11 - weighted % 11) % 10 == int(digits[12])
