"""Makes a bucket in a store that runs on this machine, with the standard library alone.

make_bucket.py s3 ENDPOINT BUCKET REGION ACCESS_KEY SECRET_KEY
make_bucket.py azure ENDPOINT CONTAINER ACCOUNT KEY
"""

import base64
import datetime
import hashlib
import hmac
import sys
import urllib.parse
import urllib.request


def keyed(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def s3(endpoint, bucket, region, access, secret):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    day, empty = now[:8], hashlib.sha256(b"").hexdigest()
    headers = {
        "host": urllib.parse.urlsplit(endpoint).netloc,
        "x-amz-content-sha256": empty,
        "x-amz-date": now,
    }
    named = ";".join(sorted(headers))
    lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
    canonical = "\n".join(["PUT", f"/{bucket}", "", *lines, "", named, empty])
    scope = f"{day}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = ("AWS4" + secret).encode()
    for part in [day, region, "s3", "aws4_request"]:
        key = keyed(key, part)
    signature = keyed(key, "\n".join(["AWS4-HMAC-SHA256", now, scope, digest])).hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={access}/{scope}, "
        f"SignedHeaders={named}, Signature={signature}"
    )
    return f"{endpoint}/{bucket}", headers


def azure(endpoint, container, account, key):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {"x-ms-date": now, "x-ms-version": "2021-08-06"}
    path = f"/{account}/{container}"
    lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
    # The account stands twice: in the path of an emulator, and before any path.
    text = "\n".join(["PUT", *[""] * 11, *lines, f"/{account}{path}", "restype:container"])
    signature = base64.b64encode(keyed(base64.b64decode(key), text)).decode()
    headers["authorization"] = f"SharedKey {account}:{signature}"
    return f"{endpoint}{path}?restype=container", headers


url, headers = {"s3": s3, "azure": azure}[sys.argv[1]](*sys.argv[2:])
# Without data: with some, even none, urllib adds a type of content, which would have to be signed.
request = urllib.request.Request(url, method="PUT", headers={**headers, "content-length": "0"})
urllib.request.urlopen(request, timeout=20).read()
