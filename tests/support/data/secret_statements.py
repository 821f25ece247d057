"""Statements with a secret, S3CRET, for real servers, too: whatever becomes of them, the server shows them."""

from __future__ import annotations

#: Masked whatever was asked for.
MAY_HOLD = (
    "SET app.password TO S3CRET",
    "ALTER ROLE a SET app.secret = S3CRET",
    "EXPLAIN ALTER ROLE a PASSWORD S3CRET",
    "SELECT dblink('postgresql://u:S3CRET@h/d', 'SELECT 1')",
    "SELECT 'https://S3CRET@host/x'",
    "SELECT 'https://u:S3/CRET@host/x'",
    "SELECT f('host=h pwd=S3CRET')",
    "SELECT f('passphrase: S3CRET')",
    "SELECT http_header('Authorization', 'Bearer S3CRET')",
    "SELECT 'Basic S3CRETab'",
    "COPY t FROM PROGRAM 'curl -u user:S3CRET https://h'",
    "COPY t FROM PROGRAM 'curl --user=user:S3CRET https://h'",
    "COPY t FROM PROGRAM 'curl --proxy-user user:S3CRET https://h'",
    "COPY t FROM PROGRAM 'sshpass -p S3CRET ssh h'",
    "SELECT f('encryptionKey=S3CRET')",
    "SELECT f('signing-key: S3CRET')",
    "SELECT f('api key S3CRET')",
    "SELECT set_config('app.x', 'S3CRET', false)",
    "SELECT set_config('app.secret', 'S3CRET', false)",
    "SELECT hmac('data', 'S3CRET', 'sha256')",
    "SELECT encrypt('data', 'S3CRET', 'aes')",
    "SELECT pgp_sym_decrypt_bytea(x, 'S3CRET')",
    "COPY t TO PROGRAM 'AWS_SECRET_ACCESS_KEY=S3CRET aws s3 cp - s3://b'",
    "COPY t TO PROGRAM 'STRIPE_KEY=S3CRET run'",
    "SELECT 'ghp_S3CRETabcdef'",
    "SELECT '-----BEGIN PRIVATE KEY----- S3CRET'",
    "SELECT 'eyJhbGciOiJIUzI1NiJ9.S3CRET'",
    "CREATE SUBSCRIPTION s CONNECTION 'host=h S3CRET' PUBLICATION p",
    "SELECT 1 /* Bearer S3CRET */",
    'SELECT 1 FROM users WHERE token = "S3CRET"',
)
#: Masked when that was asked for: nothing about them tells that there is a secret.
ASKED_FOR = (
    "SELECT 'S3CRET'",
    "SELECT E'\\'S3CRET'",
    "SELECT U&'\\0041S3CRET'",
    "SELECT $x$S3CRET$x$, $$S3CRET$$",
    "SELECT 1 -- S3CRET",
    "SELECT /* S3CRET */ 1",
    "SELECT X'53C4E7'",
    "SELECT 'x'::text || 'S3CRET'::text",
    "SET app.x TO S3CRET",
    'SET app.x = "S3CRET"',
    "DO $$BEGIN PERFORM 'S3CRET'; END$$",
    "NOTIFY c, 'S3CRET'",
    "SELECT 'S3CRET cut off",
)
