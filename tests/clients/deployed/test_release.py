"""`deploy/release` with the AWS CLI: a first deployment, an upgrade, and one that is stopped by its migration. Needs `--stores=deployed`."""

import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from emulator import PARAMETERS, REGION, emulated, template
from service import ROOT, clean_environment

STACK = "released"


class Agent(threading.Thread):
    """What runs tasks, which the emulator has not: says of each task that it ended, with the next of `codes`."""

    def __init__(self, ecs, codes):
        super().__init__(daemon=True)
        self.ecs, self.codes, self.ended, self.over = ecs, iter(codes), [], threading.Event()

    def run(self):
        while not self.over.wait(0.2):
            for cluster in self.ecs.list_clusters()["clusterArns"]:
                for task in self.ecs.list_tasks(cluster=cluster, desiredStatus="RUNNING")["taskArns"]:
                    self.end(cluster, task)

    def end(self, cluster, arn):
        (task,) = self.ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"]
        definition = self.ecs.describe_task_definition(taskDefinition=task["taskDefinitionArn"])["taskDefinition"]
        (container,) = definition["containerDefinitions"]
        if not container.get("command"):
            return
        code = next(self.codes)
        self.ended.append((container["command"][0], container["image"].rpartition(":")[2], code))
        state = [{"containerName": container["name"], "exitCode": code, "status": "STOPPED"}]
        self.ecs.submit_task_state_change(cluster=cluster, task=arn, status="STOPPED", containers=state)


@pytest.fixture
def release(stores, tmp_path):
    """Runs the script; gives its exit code and what its tasks were."""
    body = emulated(template())
    del body["Resources"]["Alias"], body["Resources"]["Dashboard"]
    (file := tmp_path / "larder.json").write_text(json.dumps(body))
    account = stores.account
    environment = clean_environment() | {
        "AWS_ENDPOINT_URL": account.url,
        "AWS_CA_BUNDLE": str(account.authority),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": account.root["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": account.root["aws_secret_access_key"],
        "AWS_PAGER": "",
        "LARDER_TEMPLATE": str(file),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def release(tag, *parameters, codes=itertools.repeat(0)):
        agent = Agent(account.client("ecs"), codes)
        agent.start()
        image = PARAMETERS["Image"].rpartition(":")[0] + f":{tag}"
        command = [str(ROOT / "deploy/release"), STACK, image, *parameters]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
        agent.over.set()
        agent.join()
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
