"""Secrets: keys by their issuers' formats, private keys, connection strings, headers, assignments.

The formats are those that the issuers publish or print; the rules are our own. A token must not
look like a placeholder (`ghp_xxxx…`, `AKIA…EXAMPLE`). `key = value` counts where the name speaks of
a secret and the value looks random; for passwords any value counts that is no word, reference or
placeholder.

Limits: a secret without a known format and without a name beside it is not found; a password of
ordinary words in running text neither. Public keys and client-side tokens of one format with secret
ones are taken for secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from agenttrail.recognizers._base import PatternClass, TextRecognizer
from agenttrail.recognizers.secret_words import (
    entropy,
    is_placeholder,
    is_template,
    looks_random,
)

_L = r"(?<![A-Za-z0-9_])"
_R = r"(?![A-Za-z0-9_])"

# Issuer, format. Where the issuer's documentation gives a length it is here, else a least length.
_FORMATS = (
    ("AWS access key id", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    ("AWS Bedrock API key", r"ABSKQmVkcm9ja0FQSUtleS[A-Za-z0-9+/]{91,251}={0,2}(?![A-Za-z0-9+/=])"),
    ("AWS Bedrock short-lived key", r"bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t[A-Za-z0-9+/=_-]{0,4000}"),
    ("Google API key", r"AIza[A-Za-z0-9_-]{35}(?!-)"),
    ("Google OAuth client secret", r"GOCSPX-[A-Za-z0-9_-]{28}"),
    ("Google OAuth access token", r"ya29\.[A-Za-z0-9_-]{20,2000}"),
    ("Microsoft Entra client secret", r"(?<![~.-])[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}(?![~-])"),
    ("GitHub token", r"gh[pousr]_[A-Za-z0-9]{36,251}"),
    ("GitHub fine-grained token", r"github_pat_[A-Za-z0-9_]{40,255}"),
    ("GitLab token", r"gl(?:pat|ptt|dt|rt|cbt|imt|oas|ft|soat|agent|ffct|wt)-[A-Za-z0-9_.-]{20,300}"),
    ("Bitbucket and Atlassian token", r"AT(?:ATT|BB|CTT|ST)[A-Za-z0-9]{1,6}[A-Za-z0-9_=-]{20,400}"),
    ("Slack token", r"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,250}"),
    ("Slack app token", r"xapp-[0-9]-[A-Z0-9]{8,}-[0-9]+-[a-f0-9]{32,}"),
    ("Discord bot token", r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}"),
    ("Telegram bot token", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?!-)"),
    ("OpenAI, Anthropic and like keys", r"sk-(?:[a-z]{2,8}-){0,2}(?:[a-z]{2,8}[0-9]{2}-)?[A-Za-z0-9_-]{20,250}"),
    ("Hugging Face token", r"(?:hf|api_org)_[A-Za-z0-9]{30,40}"),
    ("Groq, xAI, Perplexity, Replicate, Fireworks key", r"(?:gsk_|xai-|pplx-|r8_|fw_)[A-Za-z0-9]{24,100}"),
    ("Langfuse, LangSmith, E2B, Tavily key", r"(?:lsv2_(?:pt|sk)_|e2b_|tvly-(?:dev-|prod-)?)[A-Za-z0-9_]{20,100}"),
    ("Stripe key", r"(?:[rs]k_(?:test|live|prod)|whsec)_[A-Za-z0-9+/=]{10,250}"),
    ("Square token", r"(?:EAAA[A-Za-z0-9_-]{60}|sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,43})"),
    ("Twilio key", r"(?:SK|AC)[0-9a-f]{32}"),
    ("SendGrid key", r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{30,64}"),
    ("Mailgun key", r"(?:key|pubkey)-[0-9a-f]{32}"),
    ("Mailchimp key", r"[0-9a-f]{32}-us[0-9]{1,2}"),
    ("npm token", r"npm_[A-Za-z0-9]{36}"),
    ("PyPI token", r"pypi-AgE[A-Za-z0-9_-]{50,1000}"),
    ("RubyGems, crates.io, Clojars, NuGet token", r"(?:rubygems_[a-f0-9]{48}|cio[A-Za-z0-9]{32}|CLOJARS_[A-Za-z0-9]{60}|oy2[a-z0-9]{43})"),
    ("Docker token", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,40}"),
    ("DigitalOcean token", r"do[opr]_v1_[a-f0-9]{64}"),
    ("HashiCorp Vault token", r"(?:hv[sbr]\.[A-Za-z0-9_-]{24,300}|s\.[A-Za-z0-9]{24})(?!\.)"),
    ("HashiCorp Terraform token", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}"),
    ("Heroku key", r"HRKU-AA[A-Za-z0-9_-]{58}"),
    ("Databricks token", r"dapi[a-f0-9]{32}(?:-[0-9])?"),
    ("Shopify token", r"shp(?:at|ca|pa|ss|ua)_[a-fA-F0-9]{32}"),
    ("Linear, Notion, Airtable, Figma key", r"(?:lin_(?:api|oauth)_[A-Za-z0-9]{32,64}|(?:secret_|ntn_)[A-Za-z0-9]{43,50}|pat[A-Za-z0-9]{14}\.[a-f0-9]{64}|fig[dour]_[A-Za-z0-9_-]{40,44})"),
    ("Postman key", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    ("New Relic key", r"NR(?:AK|JS|II|IQ|RA|SP|MA)[A-Z-][A-Za-z0-9-]{18,40}"),
    ("Grafana token", r"(?:glc_[A-Za-z0-9+/]{32,400}={0,3}|glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8})"),
    ("Sentry token", r"sntry(?:s_[A-Za-z0-9+/=_-]{60,400}|u_[a-f0-9]{64})"),
    ("Dynatrace token", r"dt0[a-zA-Z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    ("PlanetScale, Doppler, Pulumi, Prefect, Fly token", r"(?:pscale_(?:tkn|oauth|pw)_[A-Za-z0-9=._-]{32,64}|dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9.]{40,60}|pul-[a-f0-9]{40}|pn[bu]_[A-Za-z0-9]{36}|fo1_[A-Za-z0-9_-]{43}|fm[12][ar]?_[A-Za-z0-9+/=_,-]{60,2000})"),
    ("EasyPost key", r"EZ[AT]K[A-Za-z0-9]{54}(?![+/])"),
    ("Infracost key", r"(?<!\.)ico-[A-Za-z0-9]{32}"),
    ("42 API secret", r"s-s4t2(?:ud|af)-[a-f0-9]{64}"),
    ("Adafruit, Duffel, Frame.io, Typeform, ReadMe, Rootly token", r"(?:aio_[A-Za-z0-9]{28}|duffel_(?:test|live)_[A-Za-z0-9_=-]{43}|fio-u-[A-Za-z0-9_=-]{64}|tfp_[A-Za-z0-9_.=-]{59}|rdme_[a-z0-9]{70}|rootly_[a-f0-9]{64})"),
    ("Shippo, Flutterwave, Paystack, Razorpay, Braintree key", r"(?:shippo_(?:live|test)_[a-fA-F0-9]{40}|FLWSECK(?:_TEST)?-[A-Za-z0-9-]{12,40}|rzp_(?:live|test)_[A-Za-z0-9]{14,24}|access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32})"),
    ("Alibaba and Tencent key id", r"(?:LTAI[A-Za-z0-9]{12,26}|AKID[A-Za-z0-9]{32})"),
    ("Facebook token", r"EAA[A-Z][A-Za-z0-9]{80,300}"),
    ("Cloudflare origin key", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}"),
    ("Sourcegraph, Supabase, Vercel, Netlify, Okta-like token", r"(?:sg[pd]_(?:[a-f0-9]{16}_|local_)?[a-f0-9]{40}|sbp_[a-f0-9]{40}|sb_secret_[A-Za-z0-9_-]{30,40}|vc[kpr]_[A-Za-z0-9]{56}|nfp_[A-Za-z0-9]{36})"),
    ("1Password token", r"(?:ops_eyJ[A-Za-z0-9+/=_-]{100,2000}|A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-(?:[A-Z0-9]{5}-){2}[A-Z0-9]{5})"),
    ("SonarQube token", r"sq[upa]_[a-f0-9]{40}"),
    ("OpenShift token", r"sha256~[A-Za-z0-9_-]{43}"),
    ("Artifactory key and reference token", r"(?:AKCp[A-Za-z0-9]{69}|cmVmd[A-Za-z0-9]{59})"),
    ("GitLab runner registration token", r"GR1348941[A-Za-z0-9_-]{20}"),
    ("Adobe, Contentful, Brevo, Octopus, Harness key", r"(?:p8e-[A-Za-z0-9]{32}|CFPAT-[A-Za-z0-9_-]{43}|xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}|API-[A-Z0-9]{26}|[ps]at\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20})"),
    ("Mapbox, MaxMind, Defined Networking, ClickHouse, Scalingo, SettleMint key", r"(?:[ps]k\.[A-Za-z0-9]{60}\.[A-Za-z0-9]{22}|[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk|dnkey-[A-Za-z0-9=_-]{26}-[A-Za-z0-9=_-]{52}|4b1d[A-Za-z0-9]{38}|tk-us-[A-Za-z0-9_-]{48}|sm_[aps]at_[A-Za-z0-9]{16})"),
    ("Yandex key and token", r"(?:AQVN[A-Za-z0-9_-]{35,38}|YC[A-Za-z0-9_-]{38}|t1\.[A-Z0-9a-z_-]{20,300}={0,2}\.[A-Z0-9a-z_-]{86}={0,2})"),
    ("Dropbox token", r"sl\.(?:u\.)?[A-Za-z0-9=_-]{100,1500}"),
    ("JSON web token in base64", r"ZXlK[A-Za-z0-9+/]{60,8000}={0,2}"),
    ("age key", r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
    ("JSON web token (RFC 7519)", r"eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{4,8000}(?:\.[A-Za-z0-9_-]{0,4000})?"),
)  # fmt: skip


class TokenRecognizer(PatternClass):
    """Keys and tokens by the prefix and alphabet that their issuer gives them.

    Source: the issuers' documentation and secret scanning pages; the name of each pattern says whose.
    """

    ENTITY = "SECRET"
    SOURCE_PATTERNS = tuple((name, f"(?-i:{_L}(?:{form}){_R})", 0.95) for name, form in _FORMATS)

    def validate_result(self, pattern_text: str) -> bool | None:
        """False for a placeholder: one sign repeated, EXAMPLE, or less entropy than words have."""
        if pattern_text.startswith(("ABSK", "bedrock")):
            return None
        body = pattern_text[4:]
        if entropy(body) < 2.5 or re.search(r"x{6,}|X{6,}|EXAMPLE$|0{12,}|\.{3}", body):
            return False
        # sk-some-dashed-words is a name of something.
        if pattern_text.startswith("sk-") and not any(map(str.isdecimal, body)):
            return False
        return None


class PrivateKeyRecognizer(PatternClass):
    """A private key in PEM or PGP armour, also with its line breaks escaped, also cut off.

    Source: RFC 7468, RFC 4716, RFC 9580.
    """

    ENTITY = "SECRET"
    SOURCE_PATTERNS = (
        (
            "Private key",
            r"-{5}BEGIN[ A-Z0-9]{0,24}PRIVATE KEY(?: BLOCK)?-{5}"
            r"[^-]{32,20000}(?:-{5}END[ A-Z0-9]{0,24}PRIVATE KEY(?: BLOCK)?-{5})?",
            1.0,
        ),
        ("PuTTY private key", r"PuTTY-User-Key-File-[23]:[\s\S]{20,400}?Private-Lines:\s\d{1,3}\s[A-Za-z0-9+/=\s]{40,6000}", 1.0),
    )  # fmt: skip


class WebhookRecognizer(PatternClass):
    """Addresses that are secrets: whoever has one may post (Slack, Discord, Telegram, Teams, Zapier).

    Source: the services' pages on incoming webhooks.
    """

    ENTITY = "SECRET"
    SOURCE_PATTERNS = (
        ("Slack webhook", r"https://hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{20,90}", 0.95),
        ("Discord webhook", r"https://(?:ptb\.|canary\.)?discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/\d{17,20}/[A-Za-z0-9_-]{60,70}", 0.95),
        ("Teams webhook", r"https://[a-z0-9-]{1,60}\.webhook\.office\.com/webhookb2/[A-Za-z0-9@/-]{60,250}", 0.95),
        ("Telegram bot address", r"https://api\.telegram\.org/bot\d{8,10}:[A-Za-z0-9_-]{35}", 0.95),
        ("Zapier and Make webhook", r"https://hooks\.zapier\.com/hooks/catch/\d{4,12}/[a-z0-9]{5,12}|https://hook\.[a-z0-9]{2,4}\.make\.com/[a-z0-9]{28,36}", 0.9),
        ("Azure signature", r"(?<=[?&]sig=)[A-Za-z0-9%/+=]{40,100}", 0.95),
    )  # fmt: skip


# Each match of a rule holds one of these: nearly all texts hold none.
_HINTS = (
    "pass", "pwd", "pw=", "pw:", "secret", "token", "credential", "authorization", "key", "bearer",
    "basic", "://", "connectionstring", "access", "-u ", "--user", "mysql", "sshpass",
)  # fmt: skip
_KEYWORD = re.compile(
    r"(?i)pass(?:word|wd|phrase|code)|pwd|secret|token|credential|authorization|private[_-]?key|"
    r"(?:api|app|access|account|auth|shared|client|signing|encryption|master|storage|service|subscription|consumer|license|admin|heroku|hubspot|webhook|deploy)[ _.-]?(?:access)?[ _.-]?key|access[ _.-]?id"
    r"|bearer\s|basic\s|://[^\s/]{1,100}@|(?<![A-Za-z])pw(?=[=:])|connectionstring|[a-z]_key\b|(?-i:(?<=[a-z])Key)(?![a-z])|\s(?:-u|--user)[= ]|mysql|sshpass|kind[\"']?\s*:\s*[\"']?secret"
)
_PASSWORD = re.compile(r"(?i)pass(?:word|wd|phrase|code)|pwd|pw$")
# Names that speak of tokens and keys that are none, or that point to where a secret is.
_HARMLESS = re.compile(
    r"(?i)(?:max|min|num|total|count|input|output|prompt|completion|cached?|reasoning|next|page|continuation|sync|stop|eos|bos|pad|unk|special|primary|foreign|partition|sort|public|idempotency|object|row|index|unique|lookup|group|routing|column|hot|short|dict|client)[_ .-]?(?:tokens?|keys?|id)"
    r"|tokens?[_ .-]?(?:count|type|limit|usage|budget|expir\w*|ttl|name|path|file|url|uri|endpoint|ids?)|(?:secret|password|key|token|credential)s?[_ .-]?(?:name|path|file|ref|reference|url|uri|arn|length|policy|hash|hint|field|label|store\w*|manager|version|id|class|type|less|provider)s?$|tokeniz|keyboard|secretary"
    r"|(?:remote|backend|cluster|external)[_ .-]?\w*secret"
)
_ASSIGNED = re.compile(
    r"(?P<more>[\w.-]{0,40})(?:\\?[\"'`\]]){0,2}\s{0,20}(?:value\s?)?"
    r"(?:=>|:=|={1,3}|:|>|\s(?=[\"'])|,\s?(?=[\"']))\s{0,20}"
    r"(?:\w{1,20}(?:\.\w{1,20}){1,3}\{[^\n\"'}]{0,80})?"
    r"(?:(?P<quote>\\?[\"'`])(?P<value>[^\s\"'`<>\\]{4,500}))?"
)
_VALUE = re.compile(r"[^\s\"'`,;<>{}()\[\]\\&|]{4,500}")
_BEFORE_KEYWORD = re.compile(r"[\w.-]{0,40}\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_KEY_OF = re.compile(
    r"(?i)(?:api|access|auth|heroku|hubspot|secret|service|subscription|license|admin)[ _.-]?(?:key|token)|secret|token$"
)

_URL_PASSWORD = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/:@\"'<>?#]{0,128}:(?P<value>[^\s/@\"'<>?#]{1,256})@(?=[A-Za-z0-9\[$_-])"
)
_HEADER = re.compile(
    r"(?i)(?:proxy-)?authorization[\"']?\s{0,4}[:=,]\s{0,4}[\"']?(?:bearer|basic|token|digest|negotiate|apikey)\s{1,4}(?P<value>[A-Za-z0-9._~+/=-]{8,4000})"
    r"|(?:authorization|x-[a-z-]{0,20}(?:token|key|auth|secret))[\"']?:\s{0,4}(?P<plain>(?=[A-Za-z._~+/-]{0,60}[0-9])[A-Za-z0-9._~+/=-]{12,4000})(?=[\"'\s]|\Z)"
    r"|(?<![A-Za-z])(?:bearer|basic)\s{1,4}(?P<bare>(?=[A-Za-z._~+/-]{0,40}[0-9=])[A-Za-z0-9._~+/=-]{16,4000})"
)
_CONNECTION = re.compile(
    r"(?i)(?:AccountKey|SharedAccessKey|SharedSecretValue|password|pwd)\s?=\s?(?P<value>[^\s;\"'<>&]{4,200})(?=;|[\"'\s&]|\Z)"
)
# curl -u name:password, mysql -ppassword, sshpass -p password
_COMMAND = re.compile(
    r"\s(?:-u|--user)[= ]\s{0,3}[\"']?[^\s:\"'/]{1,64}:(?P<value>[^\s\"'/:]{3,128})"
    r"|(?:mysql\w{0,10}[^\n|;&]{0,120}?\s-p|sshpass\s{1,3}-p\s?)[\"']?(?P<bare>[^\s\"'-][^\s\"']{3,64})"
)


class AssignedSecretRecognizer(TextRecognizer):
    """Secrets by the name beside them: assignments, headers, addresses with a password, Kubernetes.

    Source: RFC 3986 3.2.1 (user information), RFC 9110 11.6.2 (Authorization), RFC 6750, RFC 7617,
    Azure Storage and ADO.NET connection strings, Kubernetes Secret v1. Cost: one search where no
    word of secrets is in the text.
    """

    ENTITY = "SECRET"
    GATE = _KEYWORD

    def spans(self, text: str) -> Iterable[tuple[int, int, float]]:
        lower = text.lower()
        if not any(hint in lower for hint in _HINTS) or _KEYWORD.search(text) is None:
            return []
        spans = {*_assigned(text), *_addressed(text), *_manifest(text)}
        return [(start, end, 0.9) for start, end in spans]


def _assigned(text: str) -> Iterator[tuple[int, int]]:
    for word in _KEYWORD.finditer(text):
        match = _ASSIGNED.match(text, word.end())
        if match is None:
            continue
        before = _BEFORE_KEYWORD.search(text, max(0, word.start() - 40), word.start())
        name = (before.group() if before else "") + word.group() + match.group("more")
        if match.group("quote"):
            start, end = match.span("value")
        else:
            value = _VALUE.match(text, match.end())
            if value is None or text[value.end() : value.end() + 1] in ("(", "[", "{"):
                continue
            start, end = value.span()
        value_text = text[start:end].rstrip(".,:")
        if _HARMLESS.search(name):
            continue
        if _KEY_OF.search(name) and _UUID.fullmatch(value_text):
            yield start, start + len(value_text)
        if is_placeholder(value_text):
            continue
        if _PASSWORD.search(name):
            # "password: swordfish" in a file; in prose a word behind a colon is a word.
            if match.group("quote") or not value_text.isalpha() or "=" in match.group():
                yield start, start + len(value_text)
        elif looks_random(value_text):
            yield start, start + len(value_text)


def _addressed(text: str) -> Iterator[tuple[int, int]]:
    if "://" in text:
        for match in _URL_PASSWORD.finditer(text):
            if not is_template(match.group("value")):
                yield match.span("value")
    # One alternative of each pattern holds the secret.
    for match in (*_HEADER.finditer(text), *_COMMAND.finditer(text)):
        group = str(match.lastgroup)
        if not is_template(match.group(group)):
            yield match.span(group)
    for match in _CONNECTION.finditer(text):
        if ";" in text and not is_template(match.group("value")):
            yield match.span("value")


_SECRET_KIND = re.compile(r"(?im)^[ \t]{0,8}[\"']?kind[\"']?\s{0,4}:\s{0,4}[\"']?Secret[\"']?\s*?$")
_DOCUMENT_END = re.compile(r"\n---")
_DATA = re.compile(r"(?m)^(?P<indent>[ \t]{0,12})(?:data|stringData):[ \t]*$")
_ENTRY = re.compile(
    r"^(?P<indent>[ \t]+)[\"']?[\w.-]{1,200}[\"']?:[ \t]*(?P<block>[|>][-+]?[ \t]*$)?[\"']?(?P<value>[^\s\"'#|>{][^\"'\n]{0,100000})?"
)


def _manifest(text: str) -> Iterator[tuple[int, int]]:
    """The values of `data` and `stringData` in a manifest of `kind: Secret`."""
    at = 0
    for document in _DOCUMENT_END.split(text):
        if _SECRET_KIND.search(document):
            for start, end in _entries(document):
                yield at + start, at + end
        at += len(document) + 4


def _entries(text: str) -> Iterator[tuple[int, int]]:
    for data in _DATA.finditer(text):
        at = data.end() + 1
        depth = len(data.group("indent"))
        block: int | None = None
        while at < len(text):
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            line = text[at:end]
            inside = len(line) - len(line.lstrip())
            if line.strip() and inside <= depth:
                break
            entry = _ENTRY.match(line)
            if block is not None and inside > block and line.strip():
                yield at + inside, at + len(line.rstrip())
            elif entry is not None:
                block = len(entry.group("indent")) if entry.group("block") else None
                value = (entry.group("value") or "").rstrip()
                if len(value) >= 10 and not is_placeholder(value):
                    yield at + entry.start("value"), at + entry.start("value") + len(value)
            at = end + 1
