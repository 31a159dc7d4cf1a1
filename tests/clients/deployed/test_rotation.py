"""The role's credentials end and others take their place while the service runs. Needs `--stores=deployed`."""

import itertools

import pytest
from botocore.exceptions import ClientError
from service import wait_until

# The SDK asks anew some ten seconds before the end.
LIFE_SECONDS = 14
ROTATIONS = 3


@pytest.fixture
def short_lived(stores):
    before = stores.credentials.life_seconds
    stores.credentials.life_seconds = LIFE_SECONDS
    yield stores.credentials
    stores.credentials.life_seconds = before


def test_credentials_rotate_under_a_service_that_fails_no_request(start, short_lived, stores):
    first = len(short_lived.handed_out)
    service = start()
    client = service.client()
    for n in itertools.count():
        body = f"number {n}".encode()
        client.whole("PUT", "/v1/blobs/rotating/a", 201 if n == 0 else 200, data=body)
        assert client.whole("GET", "/v1/blobs/rotating/a").content == body
        client.whole("PUT", "/v1/documents/rotating/a", 201 if n == 0 else 200, data=b'{"n": %d}' % n)
        assert client.json_of("/v1/documents/rotating/a") == {"n": n}
        called = {call["key"] for call in stores.account.calls()}
        oldest, *newer = [given for given in short_lived.handed_out[first:] if given["AccessKeyId"] in called] or [None]
        if len(newer) >= ROTATIONS:
            break
    assert service.stop() == 0
    wait_until(lambda: has_ended(short_lived.client("s3", oldest), stores.stack.outputs["BucketName"]), "the oldest to end")


def has_ended(s3, bucket):
    try:
        s3.list_objects_v2(Bucket=bucket)
    except ClientError as error:
        # The emulator forgets those that have ended when it makes new ones.
        assert error.response["Error"]["Code"] in ("ExpiredToken", "InvalidAccessKeyId"), error
        return True
    return False
