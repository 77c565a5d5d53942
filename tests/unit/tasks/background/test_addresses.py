"""The addresses to which notices may be sent."""

from __future__ import annotations

import pytest

from tasks.background.notices.address import AddressRefused, require_allowed
from tests.integration.tasks.background.office import settings_with

INSIDE = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",  # noqa: S104 - nothing is bound
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
]
OUTSIDE = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_that_is_not_of_the_internet_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused, match="no notice is sent there"):
        require_allowed(address, is_encrypted=True, networks=())


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_the_internet_is_allowed_with_tls_alone(address: str) -> None:
    require_allowed(address, is_encrypted=True, networks=())
    with pytest.raises(AddressRefused, match="https"):
        require_allowed(address, is_encrypted=False, networks=())


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::7"])
def test_an_address_of_an_allowed_network_is_allowed_without_tls_too(address: str) -> None:
    networks = settings_with(SWITCHBOARD_NOTICE_NETWORKS="10.1.0.0/16, fd00::/8").notices.allowed_networks
    require_allowed(address, is_encrypted=False, networks=networks)
    with pytest.raises(AddressRefused):
        require_allowed("10.2.0.1", is_encrypted=True, networks=networks)
