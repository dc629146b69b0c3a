"""Merge fields: filled, or refused; never half a message."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from perfectcatch.errors import BadTemplate, BrokenMerge
from perfectcatch.messaging.segments import segments
from perfectcatch.messaging.templates import Words, fields_of, preview, render
from perfectcatch.model.messaging import Channel

VALUES: dict[str, Any] = {
    "customer": {"first_name": "Ann", "name": "Ann Lee"},
    "estimate": {"total": Decimal("1234.5"), "items": [{"name": "Pump"}, {"name": "Filter"}]},
    "visit": {"start": datetime(2026, 6, 10, 15, 30, tzinfo=UTC)},
    "zone": "America/Denver",
    "nothing": None,
    "blank": "  ",
}


def text(body: str, **values: Any) -> str:
    return render(Words(channel=Channel.SMS, body=body), {**VALUES, **values}).body


@pytest.mark.parametrize(
    ("body", "filled"),
    [
        ("Hi {{ customer.first_name }}.", "Hi Ann."),
        ("{{ estimate.total | money }}", "$1,234.50"),
        ("{{ 1200 | money }}", "$1,200"),
        ("{{ visit.start | day }} at {{ visit.start | clock }}", "Wednesday, June 10 at 9:30 AM"),
        ("{{ due | day }}", "Tuesday, March 3"),
        ("{% for item in estimate.items %}{{ item.name }} {% endfor %}", "Pump Filter"),
        ("{% if estimate.total > 1000 %}big{% else %}small{% endif %}", "big"),
        ("{{ 'JOHN SMITH' | first_name }}", "John"),
        ("{{ 'Smith, Mary Ann' | first_name }}", "Mary"),
        ("{{ '+13035550142' | phone }}", "(303) 555-0142"),
        ("{{ missing | default('x') }}", "x"),
        ("Tom & Jerry <{{ customer.name }}>", "Tom & Jerry <Ann Lee>"),
    ],
)
def test_filled(body: str, filled: str):
    assert text(body, due=date(2026, 3, 3)) == filled


@pytest.mark.parametrize(
    "body",
    [
        "Hi {{ customer.nickname }}",
        "Hi {{ customr.first_name }}",
        "{{ nothing }}",
        "{{ blank }}",
        "{{ nothing.more }}",
        "{{ 'x' | money }}",
        "{{ nothing | day }}",
        "{{ 'Acme Plumbing LLC' | first_name }}",
        "   ",
        "{{ customer.name * 1000 }}",
    ],
)
def test_a_broken_merge_is_refused(body: str):
    with pytest.raises(BrokenMerge):
        text(body)


def test_a_broken_merge_names_its_field_and_how_to_mend_it():
    with pytest.raises(BrokenMerge, match=r"for nothing: give the field a fallback"):
        text("Hi {{ nothing }}")
    words = Words(channel=Channel.SMS, body="{{ company.name }}: call {{ company.phone }}")
    with pytest.raises(BrokenMerge, match=r"for company\.phone: set COMPANY_PHONE"):
        render(words, {"company": {"name": "Pools", "phone": ""}})


@pytest.mark.parametrize(
    "body",
    [
        "{{ customer.first_name",
        "{% if x %}",
        "{{ x | shell }}",
        "{% include 'secrets' %}",
        "{% import 'os' as os %}",
        "{% macro a() %}{% endmacro %}",
        "{% for a in x %}{% for b in x %}{% endfor %}{% endfor %}",
        "x" * 200_000,
    ],
)
def test_what_is_no_template_is_refused(body: str):
    with pytest.raises(BadTemplate):
        text(body)


@pytest.mark.parametrize(
    "body",
    [
        "{{ customer.__class__ }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ customer.keys() }}",
        "{{ range(10) }}",
        "{{ cycler }}",
        "{{ lipsum() }}",
        "{{ self }}",
        "{{ customer.update({'a': 1}) }}",
        "{{ '%s' | format(1) }}",
    ],
)
def test_nothing_is_called_and_nothing_is_reached(body: str):
    with pytest.raises((BrokenMerge, BadTemplate)):
        text(body)


@pytest.mark.parametrize("customer", [{}, {"first_name": None}, {"first_name": " "}, None])
def test_a_missing_name_has_a_fallback(customer: Any):
    assert text("Hi {{ customer.first_name }}!", customer=customer) == "Hi there!"
    words = Words(
        channel=Channel.SMS, body="{{ customer.city }}", fallbacks={"customer.city": "your neighborhood"}
    )
    assert render(words, {"customer": customer}).body == "your neighborhood"


def test_html_is_escaped_and_text_is_not():
    words = Words(
        channel=Channel.EMAIL, subject="For {{ name }}", body="{{ name }}", html="<p>{{ name }}</p>"
    )
    rendered = render(words, {"name": "<b>Ann & Bob</b>"})
    assert rendered.body == "<b>Ann & Bob</b>"
    assert rendered.html == "<p>&lt;b&gt;Ann &amp; Bob&lt;/b&gt;</p>"


def test_a_subject_is_one_line():
    words = Words(channel=Channel.EMAIL, subject="For {{ name }}", body="x")
    assert render(words, {"name": "Ann\r\nBcc: all@example.com"}).subject == "For Ann Bcc: all@example.com"


def test_a_preview_tells_instead_of_raising():
    words = Words(
        channel=Channel.SMS, body="Hi {{ customer.first_name }}, {% for i in items %}{{ i.x }}{% endfor %}"
    )
    shown = preview(words, {})
    assert shown.rendered is None
    assert shown.problems
    assert shown.fields == ("customer.first_name", "items")
    good = preview(words, {"items": [{"x": 1}]})
    assert good.rendered is not None
    assert (good.rendered.body, good.filled) == ("Hi there, 1", ("customer.first_name",))
    assert preview(Words(channel=Channel.SMS, body="{{"), {}).problems


def test_fields_are_found_everywhere():
    words = Words(
        channel=Channel.EMAIL,
        subject="{{ a.b }}",
        body="{% if c %}{{ d['e'] }}{% endif %}{% set f = g.h %}{{ f }}",
        html="{{ i | default(j) }}",
    )
    assert fields_of(words) == {"a.b", "c", "d.e", "g.h", "i", "j"}


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("é" * 160, 1),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ñ" * 71, 1),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("№" * 70, 1),
        ("№" * 71, 2),
    ],
)
def test_parts_of_a_text(body: str, parts: int):
    assert segments(body) == parts
