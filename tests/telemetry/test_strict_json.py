"""The strict reader takes what every reader takes for the same value, and nothing else."""

import itertools
import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import strict_json
from telemetry.errors import NotStrictJson

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_characters="\0", codec="utf-8")), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_json_of_the_agreed_kind_is_read(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert strict_json.loads(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ('{"a":1,}', "not JSON"),
        ("[1,]", "not JSON"),
        ("{'a':1}", "not JSON"),
        ("{a:1}", "not JSON"),
        ('{"a":1}x', "not JSON"),
        ('{"a":1}{}', "not JSON"),
        ("\ufeff{}", "not JSON"),
        ("\xa0{}", "not JSON"),
        ("// c\n1", "not JSON"),
        ('"\t"', "not JSON"),
        ('"\n"', "not JSON"),
        (r'"\x41"', "not JSON"),
        (r'"\u00"', "not JSON"),
        (r'"\u+123"', "not JSON"),
        ('"a', "not JSON"),
        ("True", "not JSON"),
        ("nul", "not JSON"),
        ("\N{ARABIC-INDIC DIGIT ONE}", "not JSON"),
        ("1\N{ARABIC-INDIC DIGIT ONE}", "not JSON"),
        ("1_0", "not JSON"),
        ("0x10", "not JSON"),
        ("NaN", "no JSON"),
        ("[-Infinity]", "no JSON"),
        ("Infinity", "no JSON"),
        ("1e400", "not finite"),
        ("-1e400", "not finite"),
        ('{"a":[1e309]}', "not finite"),
        ("1" * 63 + "e0", "more than 64"),
        ("1" * 65, "more than 64"),
        ("1" * 100_000, "more than 64"),
        ("0." + "0" * 63, "more than 64"),
        ("1e" + "0" * 63, "more than 64"),
        ("9223372036854775808", "64 bits"),
        ("-9223372036854775809", "64 bits"),
        ('{"a":1,"a":1}', "two members 'a'"),
        (r'{"a":1,"\u0061":2}', "two members 'a'"),
        (r'{"\ud83d\ude00":1,"' + "\U0001f600" + '":1}', "two members"),
        ('[{"x":{"a":1,"b":2,"a":3}}]', "two members 'a'"),
        ('{"":1,"":2}', "two members ''"),
        (r'"\u0000"', "U+0000"),
        (r'{"\u0000":1}', "U+0000"),
        (r'[["\u0000"]]', "U+0000"),
        (r'"\ud800"', "surrogate"),
        (r'"\udc00\ud800"', "surrogate"),
        (r'{"\udfff":1}', "surrogate"),
        (r'"\ud800\u0041"', "surrogate"),
        (r'{"a":[{"b":"\uDBFF"}]}', "surrogate"),
        ("[" * 33 + "]" * 33, "deep"),
        ('{"a":' * 33 + "1" + "}" * 33, "deep"),
        ("[" * 200 + "]" * 200, "deep"),
        ("[" * 100_000, "deep"),
        ('{"a":' * 100_000, "deep"),
        ('[{"a":' * 100_000, "deep"),
        ('"' + '\\"' * 200 + "[" * 40, "not JSON"),
    ],
)
def test_everything_else_is_refused_with_a_reason(text, reason):
    with pytest.raises(NotStrictJson, match=re.escape(reason)):
        strict_json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 32 + "]" * 32,
        '{"a":' * 32 + "1" + "}" * 32,
        "[" + "[]," * 5000 + "[]]",
        json.dumps("[" * 100_000),
        json.dumps('"[{\\' * 10_000),
        "1" + "0" * 18,
        "-9223372036854775808",
        "9223372036854775807",
        "1" * 18 + "." + "1" * 45,
        "1e308",
        "0e999",
        r'"\ud83d\ude00\u0001\b\f\/"',
        '{"a":{"a":{"a":1}}}',
        json.dumps("1" * 100),
        " \t\r\n[ 1 , 2 ] \n",
    ],
)
def test_the_limits_are_where_they_are_said_to_be(text):
    assert strict_json.loads(text) == json.loads(text)


def test_a_nul_may_be_allowed_and_the_depth_lowered():
    assert strict_json.loads(r'"\u0000"', allow_nul=True) == "\0"
    assert strict_json.loads("[[]]", max_depth=2) == [[]]
    with pytest.raises(NotStrictJson, match="more than 1 deep"):
        strict_json.loads("[[]]", max_depth=1)


def test_an_integer_is_always_its_one_literal():
    assert math.copysign(1, strict_json.loads("-0")) == -1
    assert isinstance(strict_json.loads("-0"), float)
    assert isinstance(strict_json.loads("1.0"), float)
    assert isinstance(strict_json.loads("0"), int)


# RFC 8259 section 6, the grammar of numbers.
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


def test_every_short_text_of_number_characters_is_judged_by_the_grammar():
    for length in range(1, 6):
        for letters in itertools.product("01.eE+-", repeat=length):
            text = "".join(letters)
            try:
                strict_json.loads(text)
            except NotStrictJson:
                assert not NUMBER.fullmatch(text), text
            else:
                assert NUMBER.fullmatch(text), text


def test_the_search_for_a_name_that_comes_twice_looks_at_each_name_once():
    # At 1 MiB a search of every name for every name took minutes, on anyone's message.
    class Name(str):
        __slots__ = ()
        compared = 0

        def __eq__(self, other):
            Name.compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    pairs = [(Name(f"n{number}"), 1) for number in range(1000)]
    with pytest.raises(NotStrictJson, match="two members 'n999'"):
        strict_json._object([*pairs, (Name("n999"), 2)])
    assert Name.compared < 10 * len(pairs)
