"""What can be said of the templates without an account: `cfn-lint` and `checkov` find nothing, and each exception says why."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cfnlint.decode import cfn_yaml
from service import ROOT

TEMPLATES = sorted(path.relative_to(ROOT) for path in (ROOT / "deploy").rglob("*.yaml") if "AWSTemplateFormatVersion" in path.read_text())
REGIONS = ["us-east-1", "eu-central-1", "ap-southeast-2"]


def tool(name, *arguments):
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_there_is_a_template_of_the_whole_and_one_for_beanstalk():
    assert [str(path) for path in TEMPLATES] == ["deploy/beanstalk/larder.yaml", "deploy/larder.yaml"]


@pytest.mark.parametrize("template", TEMPLATES, ids=str)
def test_cfn_lint_finds_nothing(template):
    done = tool("cfn-lint", str(template), "--regions", *REGIONS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("template", TEMPLATES, ids=str)
def test_checkov_finds_nothing_but_exceptions_with_a_reason(template):
    done = tool("checkov", "-f", str(template), "--framework", "cloudformation", "--skip-download", "--output", "json")
    found = json.loads(done.stdout)
    failed = [f"{check['check_id']} {check['resource']}: {check['check_name']}" for check in found["results"]["failed_checks"]]
    assert failed == []
    assert found["summary"]["parsing_errors"] == 0
    assert found["summary"]["passed"] > 0
    reasons = [check["check_result"]["suppress_comment"] for check in found["results"]["skipped_checks"]]
    assert all(len(reason.split()) >= 5 for reason in reasons), reasons


def read(template):
    return cfn_yaml.load(str(ROOT / template))


def resources(template, kind):
    return {name: one for name, one in read(template)["Resources"].items() if one["Type"] == kind}


def test_each_parameter_is_described():
    for template in TEMPLATES:
        for name, parameter in read(template)["Parameters"].items():
            assert len(parameter["Description"].split()) >= 3, f"{template}: {name}"


def test_no_password_stands_in_a_parameter_or_in_an_environment():
    parameters = [name for template in TEMPLATES for name in read(template)["Parameters"]]
    assert [name for name in parameters if any(word in name.lower() for word in ("password", "token", "accesskey"))] == []
    assert resources("deploy/larder.yaml", "AWS::IAM::User") == {}
    assert resources("deploy/larder.yaml", "AWS::IAM::AccessKey") == {}


def test_what_holds_data_outlives_its_stack():
    kept = {"AWS::S3::Bucket": "Retain", "AWS::DynamoDB::Table": "Retain", "AWS::RDS::DBInstance": "Snapshot", "AWS::SecretsManager::Secret": "Retain"}
    for kind, policy in kept.items():
        found = resources("deploy/larder.yaml", kind)
        assert found, kind
        for name, one in found.items():
            assert (one["DeletionPolicy"], one["UpdateReplacePolicy"]) == (policy, policy), name
    (database,) = resources("deploy/larder.yaml", "AWS::RDS::DBInstance").values()
    assert database["Properties"]["DeletionProtection"] is True
    assert database["Properties"]["ManageMasterUserPassword"] is True
    (table,) = resources("deploy/larder.yaml", "AWS::DynamoDB::Table").values()
    assert table["Properties"]["DeletionProtectionEnabled"] is True


def test_a_template_can_be_sent_without_a_bucket():
    assert all((ROOT / template).stat().st_size <= 51_200 for template in TEMPLATES), "the limit of CloudFormation's TemplateBody"
