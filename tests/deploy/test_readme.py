"""deploy/README.md as who operates it reads it at three in the morning: what it names is there, what it tells to type can be typed, what it sums up is the sum."""

import re
import subprocess
import textwrap

import botocore.session
import pytest
from botocore import xform_name
from cfnlint.decode import cfn_yaml
from service import ROOT
from test_template import resources

README = (ROOT / "deploy/README.md").read_text()
BLOCKS = [textwrap.dedent(block) for block in re.findall(r"^ *```sh\n(.*?)^ *```", README, re.MULTILINE | re.DOTALL)]
TEMPLATES = ("deploy/larder.yaml", "deploy/beanstalk/larder.yaml")
SCRIPTS = ("deploy/release", "deploy/task")
# Of the AWS CLI itself, without a model of the service behind.
CUSTOM = {
    "cloudformation deploy": {"stack-name", "template-file", "capabilities", "parameter-overrides", "no-fail-on-empty-changeset"},
    "ecr get-login-password": set(),
    "s3 cp": set(),
    "s3 mb": set(),
}


def section(title, text=README):
    return text.split(f"# {title}\n")[1].split("\n##")[0]


def table(text, columns):
    """The rows of a table with so many columns, as lists of cells."""
    rows = [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in text.splitlines() if line.startswith("|")]
    return [row for row in rows if len(row) == columns and not row[0].startswith("---")]


def part(name):
    """Of both templates: the names of what they have of this part."""
    return {one for template in TEMPLATES for one in cfn_yaml.load(str(ROOT / template))[name]}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][:40])
def test_each_block_is_something_that_a_shell_understands(block):
    done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "…" not in block, "who reads this at night must not have to guess"


def commands():
    for text in [*BLOCKS, *((ROOT / script).read_text() for script in SCRIPTS)]:
        # Without comments and what stands in quotes; a line that goes on is one.
        joined = re.sub(r"(?m)^\s*#.*$", "", text).replace("\\\n", " ")
        for line in re.sub(r"'[^'\n]*'|\"[^\"\n]*\"", "_", joined).splitlines():
            for command in re.split(r"\baws (?=[a-z0-9-]+ [a-z])", line)[1:]:
                yield re.split(r"[|;]", command)[0]


def test_each_command_of_aws_is_one_and_takes_its_arguments():
    session, seen = botocore.session.Session(), set()
    for command in commands():
        service, operation, *rest = command.replace(")", " ").split()
        flags = set(re.findall(r"(?<![\w-])--([a-z][a-z0-9-]*)", command)) - {"query", "output", "region"}
        seen.add(f"{service} {operation}")
        if f"{service} {operation}" in CUSTOM:
            assert flags <= CUSTOM[f"{service} {operation}"], command
            continue
        service = service.removesuffix("api")
        model = session.get_service_model(service)
        if operation == "wait":
            waiters = session.get_waiter_model(service)
            named = {xform_name(name, "-"): name for name in waiters.waiter_names}
            name = waiters.get_waiter(named[rest[0]]).operation
        else:
            name = {xform_name(name, "-"): name for name in model.operation_names}[operation]
        shape = model.operation_model(name).input_shape
        # Some take nothing.
        members, demanded = (shape.members, shape.required_members) if shape else ({}, [])
        taken = {xform_name(member, "-") for member in members}
        taken |= {f"no-{xform_name(name, '-')}" for name, shape in members.items() if shape.type_name == "boolean"}
        required = {xform_name(member, "-") for member in demanded}
        assert required <= flags <= taken, command
    assert len(seen) > 20


def test_what_is_asked_of_a_stack_is_there():
    text = "\n".join([*BLOCKS, *((ROOT / script).read_text() for script in SCRIPTS)])
    outputs = set(re.findall(r"\$\((?:output|secret) (\w+)\)", text)) | set(re.findall(r"\{output\[(\w+)[\]}:]", text)) - {"name"}
    assert len(outputs) > 8 and outputs <= part("Outputs")
    made = set(re.findall(r"\$\(resource (\w+)\)", text))
    assert made and made <= part("Resources")
    parameters = set(re.findall(r"(?<![\w$.])([A-Z][a-z]+[A-Za-z]*)=", text))
    # Those of calls of AWS, of systemd, and of what a script says of itself.
    parameters -= {"AttributeName", "PointInTimeRecoveryEnabled", "OutputKey", "ParameterKey", "Enabled", "Environment", "Parameter"}
    assert len(parameters) > 6 and parameters <= part("Parameters")


def test_each_template_is_given_what_it_has_no_default_for():
    """Read by the command that deploys it first; `release` says the image itself."""
    for template, first in zip(TEMPLATES, ("deploy/release $stack", "--template-file deploy/beanstalk/larder.yaml"), strict=True):
        wanted = {name for name, one in cfn_yaml.load(str(ROOT / template))["Parameters"].items() if "Default" not in one} - {"Image"}
        block = next(block for block in BLOCKS if first in block)
        given = set(re.findall(r"(?<![\w$.])([A-Z][A-Za-z]+)=", block))
        assert wanted and wanted <= given, template


def test_names_in_the_text_are_those_of_the_templates():
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][A-Za-z]*)+)(?:=[^`]*)?`", README))
    known = part("Parameters") | part("Outputs") | part("Resources")
    others = {"DesiredCount", "ExcludePunctuation"}
    assert len(named) > 20 and named - known - others == set()


def test_every_alarm_has_its_entry_and_no_other():
    told = [name for row in table(section("When an alarm goes off"), 3) for name in re.findall(r"`(\w+Alarm)`", row[0])]
    assert sorted(told) == sorted(resources("deploy/larder.yaml", "AWS::CloudWatch::Alarm"))
    queries = {one["Properties"]["Name"]["Fn::Sub"].partition("/")[2] for one in resources("deploy/larder.yaml", "AWS::Logs::QueryDefinition").values()}
    asked = set(re.findall(r"[Qq]uery\s+`([a-z ]+)`", README))
    assert asked and asked <= queries


def test_every_metric_is_told_of():
    source = "".join(path.read_text() for path in (ROOT / "src/metrics").glob("*.rs"))
    registered = set(re.findall(r'register\(\s*"(\w+)"', source)) | set(re.findall(r'\("(\w+)", "[A-Z][^"]+", queues\.', source))
    told = {name.removesuffix("_total") for row in table(section("Metrics"), 2)[1:] for name in re.findall(r"`(\w+)`", row[0])}
    assert len(told) > 15 and registered - {"build"} == told


def numbers(text):
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


def test_the_costs_are_the_sums_that_they_say():
    text = section("What it costs")
    unit = {row[0].split(",")[0].split(" ")[0]: numbers(row[1]) for row in table(text, 2)[1:]}
    (cpu, memory, disk), classes, (storage,) = unit["Fargate"], dict(zip(("db.t4g.medium", "db.m7g.large", "db.r7g.2xlarge"), numbers_of_rds(text), strict=True)), numbers_of(text, "RDS, gp3")
    balancer, lcu, address = numbers_of(text, "balancer an hour")
    endpoint, through = unit["interface"]
    stored, puts, gets = unit["S3"]
    writes, reads, documents, backups = unit["DynamoDB"]
    logs, alarm, metric, dashboard, secret = unit["CloudWatch"]
    hours, month = 730, {}
    for kind, *sizes in table(text, 4):
        for size, cell in enumerate(sizes):
            quantities, _, price = cell.rpartition("$")
            of = numbers(re.sub(r"db\.\S+,", "", quantities))
            if kind.startswith("tasks"):
                count, cores, gigabytes = of
                cost = count * hours * (cores * cpu + gigabytes * memory + 20 * disk)
            elif kind == "database":
                zones = 1 if "one zone" in cell else 2
                cost = zones * (hours * classes[cell.split(",")[0]] + of[0] * storage)
            elif kind.startswith("balancer"):
                cost = hours * (balancer + of[0] * lcu + 2 * address)
            elif kind.startswith("interface"):
                cost = 4 * 2 * hours * endpoint + of[0] * through
            elif kind == "S3":
                cost = of[0] * stored + 1000 * (of[1] * puts + of[2] * gets)
            elif kind.startswith("DynamoDB"):
                cost = of[0] * (documents + backups) + of[1] * writes + of[2] * reads
            elif kind.startswith("logs"):
                cost = of[0] * logs + 10 * alarm + 31 * metric + dashboard + 3 * secret
            elif kind == "**together**":
                assert numbers(price) == [month[size]], f"{cell}: the column gives {month[size]}"
                continue
            else:
                assert kind == "", kind
                continue
            (told,) = numbers(price)
            assert abs(told - cost) <= 0.51, f"{kind}, {cell}: {cost}"
            month[size] = month.get(size, 0) + told
    assert len(month) == 3


def numbers_of(text, unit):
    (found,) = [row[1] for row in table(text, 2) if row[0].startswith(unit)]
    return numbers(found)


def numbers_of_rds(text):
    return numbers_of(text, "RDS for Postgres")
