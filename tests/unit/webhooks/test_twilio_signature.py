from __future__ import annotations

import pytest

from webhooks.twilio_signature import Form, is_valid, sign

# The example of Twilio's documentation, and of the tests of its own libraries.
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
TOKEN = "12345"
FORM = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
]
SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def right(*, signature: str = SIGNATURE, url: str = URL, form: Form = FORM, tokens: tuple[str, ...] = (TOKEN,)) -> bool:
    return is_valid(signature, url=url, form=form, tokens=tokens)


def test_the_example_of_twilios_documentation_is_right() -> None:
    assert sign(URL, FORM, TOKEN) == SIGNATURE
    assert right()


def test_a_parameter_that_comes_several_times_counts_once_for_each_value() -> None:
    form = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")]

    assert right(signature="IK+Dwps556ElfBT0I3Rgjkr1wJU=", form=form)


def test_the_order_of_the_parameters_does_not_matter() -> None:
    assert right(form=FORM[::-1])


def test_any_of_several_tokens_is_good() -> None:
    assert right(tokens=("6789", TOKEN))
    assert not right(tokens=("6789",))
    assert not right(tokens=())


@pytest.mark.parametrize(
    "url",
    [
        "https://mycompany.com/myapp.php?foo=1&bar=3",
        "https://mycompany.com/myapp.php?bar=2&foo=1",
        "https://mycompany.com/myapp.php",
        "https://mycompany.com/other.php?foo=1&bar=2",
        "https://example.com/myapp.php?foo=1&bar=2",
        "http://mycompany.com/myapp.php?foo=1&bar=2",
    ],
)
def test_another_url_is_wrong(url: str) -> None:
    assert not right(url=url)


@pytest.mark.parametrize(
    "form",
    [
        [],
        FORM[1:],
        [*FORM, ("Digits", "5678")],
        [*FORM, ("Empty", "x")],
        [*FORM[:-1], ("To", "+18005551213")],
        [*FORM[:-1], ("to", "+18005551212")],
    ],
)
def test_other_parameters_are_wrong(form: Form) -> None:
    assert not right(form=form)


@pytest.mark.parametrize("signature", ["", "FAIL", SIGNATURE.lower(), SIGNATURE[:-1], "\u00e9"])
def test_another_signature_is_wrong(signature: str) -> None:
    assert not right(signature=signature)


def test_the_usual_port_may_be_signed_or_not() -> None:
    with_port = URL.replace(".com", ".com:443")
    assert right(url=with_port)
    assert right(signature=sign(with_port, FORM, TOKEN))
    assert not right(signature=sign(URL.replace(".com", ".com:80"), FORM, TOKEN))
