from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import ids

SMALLEST, LARGEST = UUID(int=0), UUID(int=2**128 - 1)


class TestNewId:
    def test_is_a_uuid_of_version_7(self):
        assert type(ids.new_id()) is UUID
        assert ids.new_id().version == 7

    def test_later_ids_are_larger(self):
        made = [ids.new_id() for _ in range(1000)]

        assert made == sorted(made)
        assert len(set(made)) == 1000


class TestPublicId:
    @given(st.uuids())
    def test_reads_back_what_it_wrote(self, uuid):
        text = ids.encode("pay", uuid)

        assert ids.decode("pay", text) == uuid
        assert len(text) == len("pay_") + 26
        assert text == text.lower()

    @given(st.uuids(), st.uuids())
    def test_sorts_as_its_uuid(self, one, other):
        assert (ids.encode("re", one) < ids.encode("re", other)) == (one < other)

    def test_of_the_smallest_and_the_largest(self):
        assert ids.encode("re", SMALLEST) == "re_" + "0" * 26
        assert ids.encode("re", LARGEST) == "re_7" + "z" * 25

    def test_is_read_in_capitals(self):
        uuid = ids.new_id()

        assert ids.decode("pay", ids.encode("pay", uuid).upper()) == uuid

    def test_letters_mistaken_for_digits_are_read_as_the_digits(self):
        assert ids.decode("re", "re_" + "O" * 25 + "l") == UUID(int=1)

    def test_tells_which_of_several_prefixes_it_has(self):
        uuid = ids.new_id()

        assert ids.decode_any(ids.encode("bank", uuid), ("card", "bank")) == ("bank", uuid)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "pay",
            "pay_",
            "_" + "0" * 26,
            "0" * 26,
            "pay_" + "0" * 25,
            "pay_" + "0" * 27,
            "pay_8" + "0" * 25,  # one bit too many
            "pay_" + "z" * 26,
            "pay_" + "u" * 26,  # not in the alphabet
            "pay_" + "=" * 26,
            "pay_" + "0" * 25 + "=",
            "pay_" + "0" * 24 + "==",
            "pay_" + "0" * 25 + "-",
            "pay_" + "0" * 25 + "\0",
            "pay_" + "0" * 25 + "\u212a",  # the Kelvin sign, a k in lower case
            "pay_" + "0" * 25 + "\udcff",
            "re_" + "0" * 26,
            " pay_" + "0" * 26,
            "0190b3c4-1234-7890-8123-456789012345",
            None,
            7,
            b"pay_" + b"0" * 26,
        ],
    )
    def test_anything_else_is_a_missing_object(self, text):
        with pytest.raises(ids.InvalidId) as caught:
            ids.decode("pay", text)

        assert (caught.value.status, caught.value.code) == (404, "resource_missing")

    @given(st.text(max_size=40))
    def test_no_text_is_an_error_of_ours(self, text):
        try:
            ids.decode("pay", "pay_" + text)
        except ids.InvalidId:
            return
        assert len(text) == 26
