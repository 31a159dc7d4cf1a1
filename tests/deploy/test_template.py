"""What can be said of the templates without an account: `cfn-lint` and `checkov` find nothing, and each exception says why."""

import json
import re
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


def options_of_beanstalk(namespace):
    (environment,) = resources("deploy/beanstalk/larder.yaml", "AWS::ElasticBeanstalk::Environment").values()
    return {one["OptionName"]: one["Value"] for one in environment["Properties"]["OptionSettings"] if one["Namespace"] == namespace}


def test_beanstalk_tells_the_service_what_the_task_is_told():
    (container,) = read("deploy/larder.yaml")["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
    task = {one["Name"]: one["Value"] for one in container["Environment"]}
    ours = options_of_beanstalk("aws:elasticbeanstalk:application:environment")
    # The image listens as it is, and the disk is the instance's.
    assert ours.keys() - {"IMAGE", "AWS_REGION"} == task.keys() - {"LARDER_LISTEN", "LARDER_SCRATCH_BYTES_MAX"}
    plain = {name: value for name, value in ours.items() if isinstance(value, str) and name in task}
    assert plain == {name: task[name] for name in plain} and "LARDER_DATABASE_AUTH" in plain
    secrets = options_of_beanstalk("aws:elasticbeanstalk:application:environmentsecrets")
    assert secrets.keys() == {one["Name"] for one in container["Secrets"]}
    # The balancer lets go of a connection before the service does.
    assert int(options_of_beanstalk("aws:elbv2:loadbalancer")["IdleTimeout"]) < int(ours["LARDER_IDLE_SECONDS"])


def test_after_a_restore_what_watches_the_table_watches_the_restored_one():
    used = {"Fn::If": ["HasRestoredTable", {"Ref": "RestoredTable"}, {"Ref": "Table"}]}
    watched = [
        dimension["Value"]
        for alarm in resources("deploy/larder.yaml", "AWS::CloudWatch::Alarm").values()
        for dimension in alarm["Properties"].get("Dimensions", [])
        if dimension["Name"] == "TableName"
    ]
    assert watched == [used, used]
    (dashboard,) = resources("deploy/larder.yaml", "AWS::CloudWatch::Dashboard").values()
    body, values = dashboard["Properties"]["DashboardBody"]["Fn::Sub"]
    assert values == {"Documents": used}
    assert "${Documents}" in body and "${Table}" not in body


# What each namespace of AWS publishes by the dimensions that follow, as its documentation lists them.
PUBLISHED = {
    ("AWS/ApplicationELB", ("LoadBalancer",)): {
        "RequestCount",
        "HTTPCode_Target_4XX_Count",
        "HTTPCode_Target_5XX_Count",
        "HTTPCode_ELB_5XX_Count",
        "TargetResponseTime",
    },
    ("AWS/ApplicationELB", ("LoadBalancer", "TargetGroup")): {"HealthyHostCount", "UnHealthyHostCount"},
    ("AWS/ECS", ("ClusterName", "ServiceName")): {"CPUUtilization", "MemoryUtilization"},
    ("AWS/RDS", ("DBInstanceIdentifier",)): {"CPUUtilization", "DatabaseConnections", "FreeStorageSpace", "FreeableMemory"},
    ("AWS/DynamoDB", ("TableName",)): {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents"},
    ("AWS/S3", ("BucketName", "StorageType")): {"BucketSizeBytes", "NumberOfObjects"},
}


def metrics_of_the_dashboard():
    """(namespace, metric, dimensions) of each line of each widget, with what a line takes over from the one before."""
    (dashboard,) = resources("deploy/larder.yaml", "AWS::CloudWatch::Dashboard").values()
    for widget in json.loads(dashboard["Properties"]["DashboardBody"]["Fn::Sub"][0])["widgets"]:
        before = []
        for line in widget["properties"].get("metrics", []):
            line = [one for one in line if not isinstance(one, dict)]
            if line == ["..."]:
                line = before
            line = [before[at] if one == "." else one for at, one in enumerate(line)]
            yield line[0], line[1], tuple(sorted(line[2::2]))
            before = line


def test_alarms_and_the_dashboard_are_of_metrics_that_there_are():
    (counted,) = resources("deploy/larder.yaml", "AWS::Logs::MetricFilter").values()
    (ours,) = counted["Properties"]["MetricTransformations"]
    alarms = []
    for name, alarm in resources("deploy/larder.yaml", "AWS::CloudWatch::Alarm").items():
        of = alarm["Properties"]
        if of["Namespace"] == ours["MetricNamespace"]:
            assert (of["MetricName"], of.get("Dimensions")) == (ours["MetricName"], None), name
        else:
            alarms.append((of["Namespace"], of["MetricName"], tuple(sorted(one["Name"] for one in of["Dimensions"]))))
    shown = list(metrics_of_the_dashboard())
    assert len(alarms) == 9 and len(shown) >= 18
    unknown = [one for one in [*alarms, *shown] if one[1] not in PUBLISHED.get((one[0], one[2]), ())]
    assert unknown == []


# What a line of the log holds: its own fields, and those of the request's span. tests/it/process/logs.rs and operations.rs look at such lines.
LOGGED = {"level", "message", "error", "status", "duration_ms"} | {f"span.{name}" for name in ("method", "path", "request_id", "trace_id")}


def test_saved_queries_ask_for_fields_that_lines_of_the_log_have():
    queries = {name: one["Properties"]["QueryString"] for name, one in resources("deploy/larder.yaml", "AWS::Logs::QueryDefinition").items()}
    assert len(queries) >= 5
    words = {"fields", "filter", "stats", "sort", "limit", "by", "as", "in", "and", "or", "like", "asc", "desc", "count", "pct", "bin", "requests", "p50", "p99", "hits", "1h"}
    for name, query in queries.items():
        bare = re.sub(r'#.*|"[^"]*"|/\^?[^\n]*/', " ", query)
        named = {word for word in re.findall(r"@?[a-z_][a-z_0-9.]*", bare)} - words - {"@timestamp", "h"}
        assert named and named <= LOGGED, (name, named - LOGGED)


def test_a_template_can_be_sent_without_a_bucket():
    assert all((ROOT / template).stat().st_size <= 51_200 for template in TEMPLATES), "the limit of CloudFormation's TemplateBody"
