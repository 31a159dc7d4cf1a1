"""The certificate authorities of RDS that the image holds, and how they are renewed."""

import datetime
import re
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from service import ROOT
from test_template import REGIONS, resources

ROOTS = ROOT / "deploy/rds-roots.pem"
NAME = re.compile(r"Amazon RDS ([a-z0-9-]+) Root CA RSA2048 G1")


@pytest.fixture(scope="module")
def roots():
    return x509.load_pem_x509_certificates(ROOTS.read_bytes())


def common_name(certificate):
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return name.value


def test_each_is_a_root_of_its_own_that_is_long_valid(roots):
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=3650)
    for root in roots:
        root.verify_directly_issued_by(root)
        assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert root.not_valid_before_utc < soon < root.not_valid_after_utc, f"{common_name(root)}: renew, as deploy/README.md says"


def test_there_is_one_a_region_of_the_authority_that_the_template_names(roots):
    (database,) = resources("deploy/larder.yaml", "AWS::RDS::DBInstance").values()
    assert database["Properties"]["CACertificateIdentifier"] == "rds-ca-rsa2048-g1"
    regions = [NAME.fullmatch(common_name(root))[1] for root in roots]
    assert len(set(regions)) == len(regions) and set(REGIONS) <= set(regions)
    # What an operator is told of.
    told = re.search(r"regions of `rds-roots.pem`: ([^.]+)\.", (ROOT / "deploy/README.md").read_text().replace("\n", " "))
    assert set(told[1].split(", ")) == set(regions)


def test_each_is_called_what_it_is(roots):
    called = re.findall(r"# (.+), SHA-256 ([0-9a-f]{64})\n-----BEGIN", ROOTS.read_text())
    assert called == [(common_name(root), root.fingerprint(hashes.SHA256()).hex()) for root in roots]


def test_the_script_takes_just_these_out_of_a_bundle():
    key = rsa.generate_private_key(65537, 2048)
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)

    def other(name):
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        one = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        return one.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    names = ("Amazon RDS us-east-1 Root CA RSA4096 G1", "Amazon RDS Preview us-east-2 Root CA RSA2048 G1", "Amazon RDS us-east-1 Root CA RSA2048 G10")
    first, second, third = map(other, names)
    ours = ROOTS.read_text().split("\n\n")
    # In another order, and with others between.
    bundle = "\n".join([first, *reversed(ours[1:]), second, third])
    done = subprocess.run([str(ROOT / "deploy/rds-roots")], input=bundle, capture_output=True, text=True, check=True)
    assert done.stdout == ROOTS.read_text()
