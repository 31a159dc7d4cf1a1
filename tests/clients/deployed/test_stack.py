"""What the template makes in an account, as the account tells it. Needs `--stores=deployed`."""

import json

import pytest
from botocore.exceptions import ClientError
from emulator import PARAMETERS, STACK, UNKNOWN, emulated, template

ANYBODY = "0.0.0.0/0"


@pytest.fixture(scope="module")
def stack(stores):
    return stores.stack


@pytest.fixture(scope="module")
def aws(stores):
    return stores.account.client


def test_the_emulator_refuses_just_what_the_readme_names(stores):
    with pytest.raises(ClientError, match="Unrecognized resource types") as refused:
        stores.account.client("cloudformation").create_stack(
            StackName="whole",
            TemplateBody=json.dumps(template()),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in (PARAMETERS | {"HostedZoneId": "Z1"}).items()],
        )
    named = str(refused.value).rpartition("[")[2].partition("]")[0].split(", ")
    assert set(named) == UNKNOWN


def test_every_resource_of_the_template_is_made(stack):
    expected = {name: one["Type"] for name, one in template()["Resources"].items() if one["Type"] not in UNKNOWN}
    assert {name: one["ResourceType"] for name, one in stack.resources.items()} == expected
    assert {one["ResourceStatus"] for one in stack.resources.values()} == {"CREATE_COMPLETE"}
    assert set(stack.outputs) == set(template()["Outputs"])


def test_a_given_vpc_is_used_and_none_is_made(stack, stores, aws):
    given = {
        "VpcId": stack.id("Vpc"),
        "BalancerSubnetIds": f"{stack.id('BalancerSubnetA')},{stack.id('BalancerSubnetB')}",
        "PrivateSubnetIds": f"{stack.id('PrivateSubnetA')},{stack.id('PrivateSubnetB')}",
        "CertificateArn": stack.id("Certificate"),
        "HostedZoneId": "",
        "AlarmEmail": "",
        "TransferBucket": "",
        "Scheme": "internal",
    }
    other = stores.account.create_stack(emulated(template()), name="given", **given)
    conditions = {name: one["Condition"] for name, one in template()["Resources"].items() if "Condition" in one}
    assert len(conditions) > 20 and other.resources.keys() & conditions.keys() == set()
    assert stack.resources.keys() - other.resources.keys() == conditions.keys()
    (balancer,) = aws("elbv2").describe_load_balancers(LoadBalancerArns=[other.id("Balancer")])["LoadBalancers"]
    assert balancer["Scheme"] == "internal"
    assert {zone["SubnetId"] for zone in balancer["AvailabilityZones"]} == set(given["BalancerSubnetIds"].split(","))
    (group,) = aws("elbv2").describe_target_groups(TargetGroupArns=[other.id("TargetGroup")])["TargetGroups"]
    assert group["VpcId"] == given["VpcId"]
    (service,) = aws("ecs").describe_services(cluster=other.id("Cluster"), services=[other.outputs["ServiceName"]])["services"]
    assert ",".join(service["networkConfiguration"]["awsvpcConfiguration"]["subnets"]) == given["PrivateSubnetIds"] == other.outputs["TaskSubnetIds"]
    (listener,) = [one for one in aws("elbv2").describe_listeners(LoadBalancerArn=other.id("Balancer"))["Listeners"] if one["Port"] == 443]
    assert [one["CertificateArn"] for one in listener["Certificates"]] == [given["CertificateArn"]]


def test_the_bucket(stack, aws):
    s3, name = aws("s3"), {"Bucket": stack.id("Bucket")}
    assert all(s3.get_public_access_block(**name)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_versioning(**name)["Status"] == "Enabled"
    (rule,) = s3.get_bucket_encryption(**name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    cors = {tuple(rule["AllowedMethods"]): rule["AllowedOrigins"] for rule in s3.get_bucket_cors(**name)["CORSRules"]}
    assert cors == {("GET", "HEAD"): ["*"], ("PUT",): ["https://data.example.org"]}
    policy = json.loads(s3.get_bucket_policy(**name)["Policy"])
    assert {one["Sid"]: (one["Effect"], one["Action"]) for one in policy["Statement"]} == {"TlsOnly": ("Deny", "s3:*"), "Tls12": ("Deny", "s3:*")}


def test_the_table(stack, aws):
    dynamodb, name = aws("dynamodb"), {"TableName": stack.id("Table")}
    table = dynamodb.describe_table(**name)["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["DeletionProtectionEnabled"] is True
    assert [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]] == [("pk", "HASH"), ("sk", "RANGE")]
    indexes = {index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]] for index in table["GlobalSecondaryIndexes"]}
    assert indexes == {f"ix{n}": [f"i{n}p", f"i{n}s"] for n in range(1, 9)}
    types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    assert types == {"pk": "S", "sk": "S"} | {f"i{n}p": "S" for n in range(1, 9)} | {f"i{n}s": "B" for n in range(1, 9)}


def test_the_database(stack, aws):
    (database,) = aws("rds").describe_db_instances(DBInstanceIdentifier=stack.id("Database"))["DBInstances"]
    wanted = {
        "Engine": "postgres",
        "MultiAZ": True,
        "StorageEncrypted": True,
        "IAMDatabaseAuthenticationEnabled": True,
        "DeletionProtection": True,
        "PubliclyAccessible": False,
        "BackupRetentionPeriod": 14,
    }
    assert {name: database[name] for name in wanted} == wanted
    assert [group["VpcSecurityGroupId"] for group in database["VpcSecurityGroups"]] == [stack.id("DatabaseSecurityGroup")]
    pages = aws("rds").get_paginator("describe_db_parameters").paginate(DBParameterGroupName=stack.id("DatabaseParameters"))
    parameters = {one["ParameterName"]: one.get("ParameterValue") for page in pages for one in page["Parameters"]}
    assert parameters["rds.force_ssl"] == "1"


def test_only_the_balancer_is_open_and_only_on_its_ports(stack, aws):
    groups = {name: stack.id(name) for name in stack.resources if name.endswith("SecurityGroup")}
    described = aws("ec2").describe_security_groups(GroupIds=list(groups.values()))["SecurityGroups"]
    by_id = {group["GroupId"]: group for group in described}

    def ways_in(name):
        return {
            (rule["FromPort"], source)
            for rule in by_id[groups[name]]["IpPermissions"]
            for source in [one["CidrIp"] for one in rule.get("IpRanges", [])] + [one["GroupId"] for one in rule.get("UserIdGroupPairs", [])]
        }

    assert ways_in("BalancerSecurityGroup") == {(443, ANYBODY), (80, ANYBODY)}
    assert ways_in("ServiceSecurityGroup") == {(8080, groups["BalancerSecurityGroup"])}
    assert ways_in("DatabaseSecurityGroup") == {(5432, groups["ServiceSecurityGroup"])}
    assert ways_in("EndpointSecurityGroup") == {(443, groups["ServiceSecurityGroup"])}


def test_private_subnets_have_no_way_out_but_the_endpoints(stack, aws):
    tables = aws("ec2").describe_route_tables(RouteTableIds=[stack.id("PrivateRouteTable"), stack.id("BalancerRouteTable")])["RouteTables"]
    ways_out = {table["RouteTableId"]: [route for route in table["Routes"] if route.get("DestinationCidrBlock") == ANYBODY] for table in tables}
    assert ways_out[stack.id("PrivateRouteTable")] == []
    assert [route["GatewayId"] for route in ways_out[stack.id("BalancerRouteTable")]] == [stack.id("InternetGateway")]
    endpoints = aws("ec2").describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [stack.id("Vpc")]}])["VpcEndpoints"]
    kinds = {one["ServiceName"].split(".", 3)[3]: one["VpcEndpointType"] for one in endpoints}
    assert kinds == {"s3": "Gateway", "dynamodb": "Gateway", **dict.fromkeys(("ecr.api", "ecr.dkr", "logs", "secretsmanager"), "Interface")}


def test_the_balancer_speaks_https_and_sends_http_there(stack, aws):
    elb, arn = aws("elbv2"), stack.id("Balancer")
    listeners = {one["Port"]: one for one in elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]}
    assert listeners[443]["Protocol"] == "HTTPS"
    assert listeners[443]["SslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2")
    assert [one["CertificateArn"] for one in listeners[443]["Certificates"]] == [stack.id("Certificate")]
    assert listeners[80]["DefaultActions"][0]["RedirectConfig"]["Protocol"] == "HTTPS"
    attributes = {one["Key"]: one["Value"] for one in elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]}
    idle = int(attributes["idle_timeout.timeout_seconds"])
    # A connection that the balancer keeps must not be closed by the service as it is used again.
    assert idle < int(environment(task(stack, aws, "Task"))["LARDER_IDLE_SECONDS"])
    (group,) = elb.describe_target_groups(TargetGroupArns=[stack.id("TargetGroup")])["TargetGroups"]
    assert (group["TargetType"], group["Port"], group["HealthCheckPath"]) == ("ip", 8080, "/health/live")
    zone = stack.outputs["Url"].removeprefix("https://")
    records = aws("route53").list_resource_record_sets(HostedZoneId=hosted_zone(aws))["ResourceRecordSets"]
    (alias,) = [one for one in records if one["Name"].rstrip(".") == zone and one["Type"] == "A"]
    assert stack.outputs["BalancerDomainName"] in alias["AliasTarget"]["DNSName"]


def hosted_zone(aws):
    return aws("route53").list_hosted_zones()["HostedZones"][0]["Id"]


def task(stack, aws, logical):
    return aws("ecs").describe_task_definition(taskDefinition=stack.id(logical))["taskDefinition"]


def environment(definition):
    return {one["name"]: one["value"] for one in definition["containerDefinitions"][0]["environment"]}


def test_tasks_run_as_nobody_on_a_file_system_that_they_cannot_change(stack, aws):
    for logical, command in (("Task", None), ("RolesTask", ["database-roles"]), ("MigrationTask", ["migrate"])):
        definition = task(stack, aws, logical)
        (container,) = definition["containerDefinitions"]
        assert container["readonlyRootFilesystem"] is True
        assert container["user"] == "65532"
        assert (container.get("command") or None) == command
        assert definition["networkMode"] == "awsvpc"


def test_each_task_has_its_own_roles_and_secrets(stack, aws):
    roles = {logical: task(stack, aws, logical) for logical in ("Task", "RolesTask", "MigrationTask")}
    assert {name: one.get("taskRoleArn") or None for name, one in roles.items()} == {
        "Task": stack.role("TaskRole"),
        "RolesTask": None,
        "MigrationTask": stack.role("MigrationRole"),
    }
    # The emulator spells what is in them so that the SDK passes over it.
    secrets = {name: len(definition["containerDefinitions"][0].get("secrets", [])) for name, definition in roles.items()}
    assert secrets == {"Task": 2, "RolesTask": 2, "MigrationTask": 0}
    for definition in roles.values():
        assert ":password" not in environment(definition)["DATABASE_URL"]
        assert "sslmode=verify-full" in environment(definition)["DATABASE_URL"]


def test_the_service_has_two_tasks_in_private_subnets_and_rolls_back_by_itself(stack, aws):
    (service,) = aws("ecs").describe_services(cluster=stack.id("Cluster"), services=[stack.outputs["ServiceName"]])["services"]
    assert service["desiredCount"] == 2
    assert service["deploymentConfiguration"]["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    network = service["networkConfiguration"]["awsvpcConfiguration"]
    assert set(network["subnets"]) == {stack.id("PrivateSubnetA"), stack.id("PrivateSubnetB")}
    assert network["assignPublicIp"] == "DISABLED"


def test_secrets_are_made_long(stack, aws):
    manager = aws("secretsmanager")
    values = {name: manager.get_secret_value(SecretId=stack.id(name))["SecretString"] for name in ("AdminToken", "SecretKeys")}
    assert {name: len(value) for name, value in values.items()} == {"AdminToken": 48, "SecretKeys": 64}


def test_alarms_reach_the_topic_and_the_dashboard_shows_what_they_are_of(stack, aws):
    made = {one["PhysicalResourceId"] for one in stack.resources.values() if one["ResourceType"] == "AWS::CloudWatch::Alarm"}
    alarms = [one for one in aws("cloudwatch").describe_alarms()["MetricAlarms"] if one["AlarmName"] in made]
    assert {one["AlarmName"] for one in alarms} == made
    assert {action for alarm in alarms for action in alarm["AlarmActions"]} == {stack.id("Alarms")}
    subscriptions = aws("sns").list_subscriptions_by_topic(TopicArn=stack.id("Alarms"))["Subscriptions"]
    assert [one["Endpoint"] for one in subscriptions] == [PARAMETERS["AlarmEmail"]]
    body = json.loads(aws("cloudwatch").get_dashboard(DashboardName=f"{STACK}-eu-central-1")["DashboardBody"])
    shown = json.dumps(body)
    assert "${" not in shown
    for logical in ("Database", "Table", "Bucket"):
        assert stack.id(logical) in shown, logical
    (group,) = aws("logs").describe_log_groups(logGroupNamePrefix=stack.id("Logs"))["logGroups"]
    assert group["retentionInDays"] == 90
