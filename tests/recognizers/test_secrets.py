"""Secrets are found by format and by name; placeholders, references and digests are not."""

from __future__ import annotations

import base64

import pytest

from agenttrail.recognizers.secret_words import is_placeholder, looks_random
from tests.recognizers.conftest import rows

RANDOM = "aB3dE5fG7hJ9kL2mN4pQ6rS8tU1vW3xY5zA7bC9d"


@pytest.mark.parametrize(
    "text, secret",
    [
        ("key ghp_" + RANDOM[:36] + " used", "ghp_" + RANDOM[:36]),
        ("AKIA" + "QYLPMN5HFIQR7XYA", "AKIAQYLPMN5HFIQR7XYA"),
        ("キーはsk-ant-api03-" + RANDOM + "です", "sk-ant-api03-" + RANDOM),
        ("hf_" + RANDOM[:34], "hf_" + RANDOM[:34]),
        ("//registry/:_authToken=npm_" + RANDOM[:36], "npm_" + RANDOM[:36]),
        ("postgres://app:s3cr3t-pw@db.example.com/x", "s3cr3t-pw"),
        ("mongodb+srv://u:p%40ss@cluster.example.com", "p%40ss"),
        ("Authorization: Bearer " + RANDOM, RANDOM),
        ("authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA=="),
        (
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=" + RANDOM + "==;",
            RANDOM + "==",
        ),
        ("Server=db;User Id=sa;Password=Tr0ub4dor;", "Tr0ub4dor"),
        ("DB_PASSWORD=hunter2", "hunter2"),
        ('{"password": "correcthorse"}', "correcthorse"),
        ('"client_secret": "' + RANDOM[:24] + '"', RANDOM[:24]),
        ("api_key = 832d2129-a846-4e27-99f4-7004b6ad53ef", "832d2129-a846-4e27-99f4-7004b6ad53ef"),
        ('<add key="ClearTextPassword" value="Tr0ub4dor3"/>', "Tr0ub4dor3"),
        ("algoliaKey: 0f1e2d3c4b5a69788796a5b4c3d2e1f0", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
        ('curl -H "X-Auth-Token: ' + RANDOM[:32] + '"', RANDOM[:32]),
        ("curl -u admin:S3cretPass https://example.com", "S3cretPass"),
        ("mysql -h db -u root -pTr0ub4dor", "Tr0ub4dor"),
        ("kind: Secret\ndata:\n  user: YWRtaW46cGFzcw==\n", "YWRtaW46cGFzcw=="),
    ],
)
def test_a_secret_is_found_whole(find, text, secret):
    assert ("SECRET", secret) in find(text, "secrets")


def test_a_private_key_is_found_with_its_frame(find):
    body = base64.b64encode(bytes(range(200))).decode()
    key = f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----"
    assert ("SECRET", key) in find(f"cat id_rsa\n{key}\n$", "secrets")
    assert find(key.replace("PRIVATE", "PUBLIC"), "secrets") == []


@pytest.mark.parametrize(
    "text",
    [
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "aws_access_key: AKIAIOSFODNN7EXAMPLE",
        "password = var.db_password",
        "password: {{ .Values.password }}",
        "PASSWORD=$PASSWORD",
        "secret: changeme",
        "token = getTokenFromHeader(request)",
        "secretName: my-app-secret-1",
        "commit token_parser.py 9f86d081884c7d659a2feaa0c55ad015",
        "https://user@example.com/repo.git",
        "sk-this-is-only-a-long-name-of-a-thing",
        "the secret of success: practice",
        "monkey: banana12345",
        '"nextToken": "abc123def456ghi789"',
        'sortKey = "created_at_2024_desc"',
        "x-request-id: 4bf92f3577b34da6",
        "docker run -u 1000:100 -p 8080:80 nginx",
        "Authorization: Bearer ${TOKEN}",
        "postgres://user:$PASSWORD@db.example.com/x",
        "kind: Secret\ndata:\n  htpasswd: ''\n",
    ],
)
def test_what_only_looks_secret_is_nothing(find, text):
    assert find(text, "secrets") == []


def test_values_that_people_write_are_told_from_those_that_machines_make():
    assert all(map(is_placeholder, ["<token>", "${X}", "your-api-key-here", "aaaaaaaa", "None"]))
    assert not any(map(is_placeholder, ["hunter2", "Tr0ub4dor&3", RANDOM]))
    assert all(map(looks_random, [RANDOM, "dXNlcjpwYXNzd29yZDE=", "a1b2c3d4e5f6"]))
    assert not any(map(looks_random, ["getTokenFromHeader", "prod-db-2", "1234567890", "v1.22.3"]))


def test_known_secrets_and_look_alikes(find):
    """Measured: 56 of 56 found, 1 of 73 look-alikes taken for secrets."""
    kinds = {"tp": [], "fp": []}
    for row in rows("gitleaks_tp_fp.jsonl"):
        kinds[row["kind"]].append(bool(find(row["text"], "secrets")))
    assert sum(kinds["tp"]) / len(kinds["tp"]) > 0.95
    assert sum(kinds["fp"]) / len(kinds["fp"]) < 0.05
