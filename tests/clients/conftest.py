"""The same tests with `--stores=embedded` (the default), inside the service; `--stores=elsewhere`, in servers of their own; `--stores=deployed`, those of the
stack of deploy/larder.yaml on an emulator of AWS."""

import itertools
import os
import shutil

import pytest
import secrets_used
from emulator import Deployed
from service import Service, short_folder
from stores import Elsewhere, Embedded
from vega import DATA

for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]


STORES = {stores.name: stores for stores in (Embedded, Elsewhere, Deployed)}


def pytest_addoption(parser):
    parser.addoption("--stores", choices=STORES, default="embedded")


def pytest_ignore_collect(collection_path, config):
    """A folder that is called as stores are holds what only they can show."""
    return True if collection_path.name in STORES.keys() - {config.getoption("--stores")} else None


def pytest_collection_modifyitems(items):
    """The folder comes last, for what is in it can look back at all calls before."""
    items.sort(key=lambda item: item.path.parent.name in STORES)


@pytest.fixture(scope="session")
def stores(request):
    stores = STORES[request.config.getoption("--stores")]()
    yield stores
    stores.stop()
    if stores.shared:
        shutil.rmtree(stores.folder)


@pytest.fixture(scope="session")
def start(stores):
    """Starts services; those that still run at the end are ended, and must end well."""
    started, folders = [], []

    def start(data_dir=None, **options):
        if data_dir is None:
            parent = short_folder("larder-")
            folders.append(parent)
            data_dir = parent / "data"
        started.append(Service(stores, data_dir, **options))
        return started[-1]

    yield start
    codes = [service.stop() for service in started if service.process.poll() is None]
    assert codes == [0] * len(codes)
    assert not {str(service.log): leaked for service in started if (leaked := secrets_used.found_in(service.log))}
    for folder in folders:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def service(start):
    return start()


@pytest.fixture
def client(service):
    return service.client()


names = itertools.count(1)


@pytest.fixture
def name():
    """A name that no other test uses, for a table, a collection or the first part of a key."""
    return f"test-{next(names)}"


@pytest.fixture(scope="session", autouse=True)
def data():
    assert DATA.is_dir(), "the files of vega-datasets are missing: ./test.sh fetches them"
