"""boto3 and the AWS CLI against the embedded engines, with the keys and addresses that the service leaves in its data folder. Needs `--stores=embedded`."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from service import PATIENCE, clean_environment, problem

MIB = 1 << 20


@pytest.fixture(scope="module")
def aws_environment(service):
    file = service.data_dir / "aws.env"
    assert file.stat().st_mode & 0o077 == 0, "the keys are their owner's alone"
    lines = file.read_text().splitlines()
    return dict(line.removeprefix("export ").split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture(scope="module")
def aws(aws_environment, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    environment = clean_environment() | aws_environment | {"HOME": str(home), "AWS_PAGER": ""}

    def aws(*arguments, status=0):
        command = [str(Path(sys.executable).with_name("aws")), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    return aws


def boto(service, environment, **config):
    return boto3.client(
        service,
        endpoint_url=environment[f"AWS_ENDPOINT_URL_{service.upper()}"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, **config),
    )


@pytest.fixture(scope="module")
def s3(aws_environment):
    return boto("s3", aws_environment)


@pytest.fixture(scope="module")
def dynamodb(aws_environment):
    return boto("dynamodb", aws_environment)


@pytest.fixture
def bucket(s3, name):
    s3.create_bucket(Bucket=name)
    return name


def refused(code, call, *arguments, **options):
    with pytest.raises(ClientError) as error:
        call(*arguments, **options)
    assert error.value.response["Error"]["Code"] == code
    return error.value.response


def test_admin_token_and_keys_are_files_of_their_owner_alone(service):
    for file in ("admin-token", "aws.env"):
        mode = (service.data_dir / file).stat()
        assert (mode.st_mode & 0o777, mode.st_uid) == (0o600, os.geteuid())


def test_the_cli_makes_lists_copies_signs_and_removes(aws, name, tmp_path):
    bucket, file = f"s3://{name}", tmp_path / "a file.txt"
    file.write_text("bytes")
    aws("s3", "mb", bucket)
    assert name in aws("s3", "ls")
    aws("s3", "cp", str(file), f"{bucket}/folder/a file.txt")
    assert "PRE folder/" in aws("s3", "ls", bucket)
    assert "a file.txt" in aws("s3", "ls", f"{bucket}/folder/")
    assert aws("s3", "cp", f"{bucket}/folder/a file.txt", "-") == "bytes"
    url = aws("s3", "presign", f"{bucket}/folder/a file.txt").strip()
    assert requests.get(url, timeout=PATIENCE).text == "bytes"
    forged = url[:-1] + ("0" if url[-1] != "0" else "1")
    assert requests.get(forged, timeout=PATIENCE).status_code == 403
    aws("s3", "mv", f"{bucket}/folder/a file.txt", f"{bucket}/b")
    assert "folder" not in aws("s3", "ls", bucket)
    aws("s3", "rb", bucket, status=1)
    aws("s3", "rm", f"{bucket}/b")
    aws("s3", "rb", bucket)
    assert name not in aws("s3", "ls")


def test_the_cli_syncs_a_folder_with_a_file_in_many_parts(aws, name, tmp_path):
    source, back = tmp_path / "source", tmp_path / "back"
    files = {"empty": b"", "deep/数据 ü+&.txt": b"x", "large.bin": os.urandom(21 * MIB)}
    for path, content in files.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(content)
    aws("s3", "mb", f"s3://{name}")
    aws("s3", "sync", str(source), f"s3://{name}/in", "--no-progress")
    assert aws("s3", "sync", str(source), f"s3://{name}/in", "--no-progress") == ""
    (source / "empty").unlink()
    assert "delete:" in aws("s3", "sync", str(source), f"s3://{name}/in", "--no-progress", "--delete")
    aws("s3", "sync", f"s3://{name}/in", str(back), "--no-progress")
    assert {str(path.relative_to(back)): path.read_bytes() for path in back.rglob("*") if path.is_file()} == {
        path: content for path, content in files.items() if path != "empty"
    }
    aws("s3", "rm", f"s3://{name}", "--recursive")
    aws("s3", "rb", f"s3://{name}")


def test_the_cli_finds_the_services_own_table(aws):
    tables = json.loads(aws("dynamodb", "list-tables", "--output", "json"))["TableNames"]
    assert len(tables) == 1
    described = json.loads(aws("dynamodb", "describe-table", "--table-name", tables[0], "--output", "json"))["Table"]
    assert [key["AttributeName"] for key in described["KeySchema"]] == ["pk", "sk"]
    indexes = described["GlobalSecondaryIndexes"]
    keys = sorted(tuple(key["AttributeName"] for key in index["KeySchema"]) for index in indexes)
    assert keys == [(f"i{n}p", f"i{n}s") for n in range(1, 9)]
    # AWS refuses names of indexes below three characters, which an emulator may take.
    assert min(len(index["IndexName"]) for index in indexes) >= 3


def test_nobody_gets_in_without_the_keys(aws_environment):
    wrong = aws_environment | {"AWS_SECRET_ACCESS_KEY": "wrong"}
    unknown = aws_environment | {"AWS_ACCESS_KEY_ID": "UNKNOWN"}
    refused("SignatureDoesNotMatch", boto("s3", wrong).list_buckets)
    for environment in (wrong, unknown):
        for call in (boto("s3", environment).list_buckets, boto("dynamodb", environment).list_tables):
            with pytest.raises(ClientError) as error:
                call()
            # S3 answers 403, DynamoDB 400.
            assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)
    for service in ("S3", "DYNAMODB"):
        assert requests.get(aws_environment[f"AWS_ENDPOINT_URL_{service}"], timeout=PATIENCE).status_code in (400, 403, 404)


def test_objects_keep_bytes_metadata_and_checksums(s3, bucket):
    body = os.urandom(100_000)
    put = s3.put_object(Bucket=bucket, Key="a", Body=body, ContentType="x/y", Metadata={"k": "v"}, ChecksumAlgorithm="SHA256")
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (body, "x/y", {"k": "v"})
    assert got["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(body).digest()).decode()
    part = s3.get_object(Bucket=bucket, Key="a", Range="bytes=10-19")
    assert (part["Body"].read(), part["ContentRange"]) == (body[10:20], "bytes 10-19/100000")
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="b")
    refused("NoSuchBucket", s3.put_object, Bucket=f"{bucket}-none", Key="a", Body=b"")


def test_a_wrong_checksum_leaves_no_object(s3, bucket):
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    refused("BadDigest", s3.put_object, Bucket=bucket, Key="a", Body=b"bytes", ContentMD5=wrong)
    sha256 = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    with pytest.raises(ClientError):
        s3.put_object(Bucket=bucket, Key="a", Body=b"bytes", ChecksumSHA256=sha256)
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="a")


def test_conditions_hold_or_fail(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="a", Body=b"1", IfNoneMatch="*")["ETag"]
    refused("PreconditionFailed", s3.put_object, Bucket=bucket, Key="a", Body=b"2", IfNoneMatch="*")
    refused("PreconditionFailed", s3.put_object, Bucket=bucket, Key="a", Body=b"2", IfMatch='"other"')
    s3.put_object(Bucket=bucket, Key="a", Body=b"2", IfMatch=etag)
    refused("PreconditionFailed", s3.get_object, Bucket=bucket, Key="a", IfMatch=etag)
    refused("304", s3.get_object, Bucket=bucket, Key="a", IfNoneMatch=s3.head_object(Bucket=bucket, Key="a")["ETag"])


def test_any_key_is_listed_in_order_page_by_page(s3, bucket):
    keys = ["..", "a", "a/b", "a/b/c", "dir", "dir/x", "with space", "x" * 1000, "ü&+%?#", "数据/1", "数据/2", "\x01odd"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 5})
    assert [one["Key"] for page in pages for one in page["Contents"]] == sorted(keys, key=str.encode)
    for key in keys:
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    folders = s3.list_objects_v2(Bucket=bucket, Delimiter="/", Prefix="")
    assert [one["Prefix"] for one in folders["CommonPrefixes"]] == ["a/", "dir/", "数据/"]
    refused("BucketNotEmpty", s3.delete_bucket, Bucket=bucket)
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys if key != "\x01odd"]})
    assert len(gone["Deleted"]) == len(keys) - 1


def test_parts_may_have_gaps_and_a_wrong_etag_is_refused_without_losing_the_upload(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
    options = {"Bucket": bucket, "Key": "a", "UploadId": upload}
    bodies = {3: os.urandom(5 * MIB), 10: b"end"}
    etags = {n: s3.upload_part(**options, PartNumber=n, Body=body)["ETag"] for n, body in bodies.items()}
    wrong = [{"PartNumber": 3, "ETag": '"0"'}, {"PartNumber": 10, "ETag": etags[10]}]
    refused("InvalidPart", s3.complete_multipart_upload, **options, MultipartUpload={"Parts": wrong})
    assert [one["PartNumber"] for one in s3.list_parts(**options)["Parts"]] == [3, 10]
    right = [{"PartNumber": n, "ETag": etag} for n, etag in etags.items()]
    done = s3.complete_multipart_upload(**options, MultipartUpload={"Parts": right})
    assert done["ETag"].endswith('-2"')
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"".join(bodies.values())
    refused("NoSuchUpload", s3.upload_part, **options, PartNumber=1, Body=b"x")


def test_dynamodb_keeps_what_boto3_writes(dynamodb, name):
    key = {"AttributeName": "id", "AttributeType": "S"}
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[key],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    item = {"id": {"S": "a"}, "n": {"N": "12345678901234567890123456789012345678"}, "b": {"B": b"\x00\xff"}}
    dynamodb.put_item(TableName=name, Item=item)
    assert dynamodb.get_item(TableName=name, Key={"id": {"S": "a"}}, ConsistentRead=True)["Item"] == item
    again = {"ConditionExpression": "attribute_not_exists(id)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    failed = refused("ConditionalCheckFailedException", dynamodb.put_item, TableName=name, Item=item, **again)
    assert failed["Item"] == item
    dynamodb.delete_table(TableName=name)


def test_the_services_own_listener_gives_nothing_of_the_bucket_without_a_signature(service, aws_environment, client, name):
    put = client.json_of(f"/v1/blobs/{name}/a", 201, "PUT", data=b"bytes")
    signed = put["presigned"]["url"]
    assert requests.get(signed, timeout=PATIENCE).content == b"bytes"
    assert requests.get(signed.split("?")[0], timeout=PATIENCE).status_code == 403
    assert requests.get(signed.replace("Expires=", "Expires=1"), timeout=PATIENCE).status_code in (400, 403)
    answer = requests.get(signed, timeout=PATIENCE)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    problem(client.get("/v1/blobs/larder-objects"), 404, "not-found")


def test_boto3_reaches_the_bucket_through_the_services_own_listener(service, s3, aws_environment, client, name):
    client.whole("PUT", f"/v1/blobs/{name}/a", 201, data=b"bytes of a test")
    through = boto("s3", aws_environment | {"AWS_ENDPOINT_URL_S3": service.url})
    own = "larder-objects"
    key = s3.list_objects_v2(Bucket=own, Prefix="objects/")["Contents"][0]["Key"]
    assert through.get_object(Bucket=own, Key=key)["Body"].read() == s3.get_object(Bucket=own, Key=key)["Body"].read()
    wrong = aws_environment | {"AWS_ENDPOINT_URL_S3": service.url, "AWS_SECRET_ACCESS_KEY": "wrong"}
    refused("SignatureDoesNotMatch", boto("s3", wrong).get_object, Bucket=own, Key=key)
