"""`deploy/release` with the AWS CLI: a first deployment, an upgrade, and one that is stopped by its migration. Needs `--stores=deployed`."""

import itertools
import json
import subprocess
import threading

import pytest
from emulator import PARAMETERS, emulated, template
from service import ROOT

STACK = "released"


class Agent(threading.Thread):
    """What runs tasks, which the emulator has not: says of each task that it ended, with the next of `codes`. `roles` are those that took the place of a definition's."""

    def __init__(self, ecs, codes):
        super().__init__(daemon=True)
        self.ecs, self.codes, self.ended, self.roles, self.over = ecs, iter(codes), [], [], threading.Event()

    def run(self):
        while not self.over.wait(0.2):
            for cluster in self.ecs.list_clusters()["clusterArns"]:
                for task in self.ecs.list_tasks(cluster=cluster, desiredStatus="RUNNING")["taskArns"]:
                    self.end(cluster, task)

    def end(self, cluster, arn):
        (task,) = self.ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"]
        definition = self.ecs.describe_task_definition(taskDefinition=task["taskDefinitionArn"])["taskDefinition"]
        (container,) = definition["containerDefinitions"]
        overrides = task.get("overrides", {})
        (override,) = overrides.get("containerOverrides") or [{}]
        command = override.get("command") or container.get("command")
        # One of the service's own.
        if not command:
            return
        code = next(self.codes)
        self.ended.append((" ".join(command), container["image"].rpartition(":")[2], code))
        self.roles.extend([overrides["taskRoleArn"]] if "taskRoleArn" in overrides else [])
        state = [{"containerName": container["name"], "exitCode": code, "status": "STOPPED"}]
        self.ecs.submit_task_state_change(cluster=cluster, task=arn, status="STOPPED", containers=state)


@pytest.fixture
def run(stores, tmp_path):
    """Runs a script of deploy/ on the stack; gives how it ended, and the agent that has seen its tasks."""
    body = emulated(template())
    del body["Resources"]["Alias"], body["Resources"]["Dashboard"]
    (file := tmp_path / "larder.json").write_text(json.dumps(body))
    account = stores.account
    environment = account.environment() | {"LARDER_TEMPLATE": str(file)}

    def run(script, *arguments, codes=itertools.repeat(0)):
        agent = Agent(account.client("ecs"), codes)
        agent.start()
        command = [str(ROOT / "deploy" / script), STACK, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
        agent.over.set()
        agent.join()
        return done, agent

    return run


@pytest.fixture
def release(run):
    def release(tag, *parameters, **options):
        done, agent = run("release", PARAMETERS["Image"].rpartition(":")[0] + f":{tag}", *parameters, **options)
        return done, agent.ended

    return release


def parameters(stores):
    (stack,) = stores.account.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    values = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    return {name: values[name].rpartition(":")[2] for name in ("Image", "JobsImage", "TasksMin")}


def test_a_release_migrates_before_it_serves_and_stops_where_that_fails(release, stores):
    first, tasks = release(1, "DomainName=data.example.org", "HostedZoneId=Z0")
    assert first.returncode == 0, first.stderr
    assert tasks == [("database-roles", "1", 0), ("migrate", "1", 0)]
    assert parameters(stores) == {"Image": "1", "JobsImage": "", "TasksMin": "2"}

    failed, tasks = release(2, codes=[1])
    assert failed.returncode == 1
    assert tasks == [("migrate", "2", 1)]
    assert parameters(stores)["Image"] == "1", "the service stays as it was"

    second, tasks = release(2)
    assert second.returncode == 0, second.stderr
    assert tasks == [("migrate", "2", 0)]
    assert parameters(stores) == {"Image": "2", "JobsImage": "", "TasksMin": "2"}
    assert "https://data.example.org serves" in second.stdout


def test_moving_house_is_a_task_of_the_service_under_the_role_for_that(release, run, stores):
    """After the test above."""
    refused, _ = run("task", "export", "s3://larder-moving/x")
    assert refused.returncode == 1 and "has no TransferBucket" in refused.stderr
    deployed, _ = release(2, "TransferBucket=larder-moving")
    assert deployed.returncode == 0, deployed.stderr
    for command in ("export", "import"):
        done, agent = run("task", command, "s3://larder-moving/x")
        assert done.returncode == 0, done.stderr
        assert agent.ended == [(f"{command} s3://larder-moving/x", "2", 0)]
        (role,) = agent.roles
        described = stores.account.client("cloudformation").describe_stack_resource(StackName=STACK, LogicalResourceId="TransferRole")
        assert role.rpartition("/")[2] == described["StackResourceDetail"]["PhysicalResourceId"]
    failed, _ = run("task", "import", "s3://larder-moving/x", codes=[1])
    assert failed.returncode == 1 and "import ended with 1" in failed.stderr
    for wrong in (["serve"], ["export"], ["export", "/folder"], ["export", 's3://a/"b'], []):
        done, agent = run("task", *wrong)
        assert done.returncode == 2 and "usage:" in done.stderr and agent.ended == []
