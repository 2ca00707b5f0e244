import pytest

from schema.cache.answers import digest_of
from schema.cache.client import Breaker
from schema.cache.families import FAMILIES, SESSION, TODAY, TOTALS, family_of, live_channel
from schema.cache.flags import KNOWN, named
from schema.errors import BadInput


def test_a_key_is_of_the_family_that_made_it():
    assert TOTALS.key(7) == "turnstile:totals:7"
    assert family_of(TODAY.key(1, 20_000)) is TODAY
    assert family_of("turnstile:totals:7:more") is None
    assert family_of("another:totals:7") is None


def test_a_key_needs_all_parts_and_no_more():
    for parts in ((), (1, 2, 3)):
        with pytest.raises(ValueError, match="look like"):
            TODAY.key(*parts)


def test_no_key_is_of_two_families():
    for family in FAMILIES:
        key = family.key(*["x"] * family.pattern.count("<"))
        assert [other.name for other in FAMILIES if other.has(key)] == [family.name]


def test_what_lives_for_ever_is_a_number_a_name_in_the_code():
    assert {family.name for family in FAMILIES if family.ttl_s is None} == {"live", "fence", "flags"}


def test_the_first_tenant_keeps_its_channel():
    assert live_channel(1) == "turnstile:live"
    assert live_channel(2) == "turnstile:live:2"


def test_digests_tell_parts_apart():
    assert digest_of("a", "bc") != digest_of("ab", "c")
    assert digest_of(1, None) != digest_of("1", "None")


def test_after_a_failure_nobody_asks_until_one_may_try():
    breaker = Breaker(first_pause_s=1, longest_pause_s=4)
    assert breaker.may_try(0)
    assert breaker.failed(0)
    assert not breaker.failed(0), "those who were on their way fail with the first"
    assert not breaker.may_try(0.9)
    assert [breaker.may_try(1), breaker.may_try(1)] == [True, False]
    breaker.failed(1.2)
    assert not breaker.may_try(2.9)
    assert breaker.may_try(3)


def test_pauses_double_up_to_the_longest_and_a_success_ends_them():
    breaker = Breaker(first_pause_s=1, longest_pause_s=4)
    breaker.failed(0)
    tries = [at for at in range(20) if breaker.may_try(at)]
    assert tries == [1, 3, 7, 11, 15, 19]
    assert breaker.succeeded()
    assert not breaker.succeeded()
    assert [breaker.may_try(19), breaker.may_try(19)] == [True, True]


def test_a_flag_that_nobody_knows_is_refused_with_those_there_are():
    assert named(KNOWN[0].name) is KNOWN[0]
    with pytest.raises(BadInput, match="known are cached-counts"):
        named("cached-count")


def test_session_keys_outlive_the_time_for_which_a_session_is_believed():
    from schema.cache.sessions import TRUSTED_S

    assert (SESSION.ttl_s or 0) > TRUSTED_S
