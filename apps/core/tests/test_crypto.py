from base64 import b64encode
from io import StringIO
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from apps.core import crypto, ids

K1, K2, K3 = (f"k{n}:{b64encode(bytes([n]) * 32).decode()}" for n in (1, 2, 3))
PLACE = {"table": "t", "column": "c", "row_id": ids.new_id(), "book_id": ids.new_id()}


@pytest.fixture(autouse=True)
def keys(settings):
    def configure(*entries):
        settings.PAYSYS_FIELD_KEYS = ",".join(entries)

    configure(K1)
    return configure


class TestField:
    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
    def test_is_read_as_it_was_written(self, plain):
        assert crypto.decrypt(crypto.encrypt(plain, **PLACE), **PLACE) == plain

    def test_hides_what_it_holds_and_whether_two_are_alike(self):
        one, other = (crypto.encrypt("ada@example.org", **PLACE) for _ in range(2))

        assert "ada" not in one
        assert one != other

    @pytest.mark.parametrize(
        "change",
        [{"table": "u"}, {"column": "d"}, {"row_id": uuid4()}, {"book_id": uuid4()}],
    )
    def test_moved_elsewhere_is_not_read(self, change):
        token = crypto.encrypt("secret", **PLACE)

        with pytest.raises(crypto.Undecryptable):
            crypto.decrypt(token, **{**PLACE, **change})

    def test_changed_in_any_place_is_not_read(self):
        token = crypto.encrypt("secret", **PLACE)
        head = len("v1.k1.")
        for index in range(head, len(token) - 4):  # the last characters hold unused bits
            changed = token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :]
            with pytest.raises(crypto.Undecryptable):
                crypto.decrypt(changed, **PLACE)

    @pytest.mark.parametrize(
        "token", ["", "secret", "v1", "v1.k1", "v1.k1.", "v1.k9.AAAA", "v2.k1.AAAA", "v1.k1.é"]
    )
    def test_of_another_form_is_not_read(self, token):
        with pytest.raises(crypto.Undecryptable):
            crypto.decrypt(token, **PLACE)

    def test_of_an_older_key_is_read(self, keys):
        token = crypto.encrypt("secret", **PLACE)
        keys(K2, K1)

        assert crypto.decrypt(token, **PLACE) == "secret"
        assert not crypto.is_current(token)
        assert crypto.is_current(crypto.encrypt("secret", **PLACE))

    def test_of_a_removed_key_is_not_read(self, keys):
        token = crypto.encrypt("secret", **PLACE)
        keys(K2)

        with pytest.raises(crypto.Undecryptable):
            crypto.decrypt(token, **PLACE)

    def test_under_one_keys_name_and_another_key_is_not_read(self, keys):
        token = crypto.encrypt("secret", **PLACE)
        keys(K2.replace("k2", "k1"))

        with pytest.raises(crypto.Undecryptable):
            crypto.decrypt(token, **PLACE)


class TestKeys:
    @pytest.mark.parametrize(
        "configured",
        ["", ",", "k1", "k1:", ":AAAA", "k1:AAAA", f"{K1},{K1}", f"k-1:{K1[3:]}", "k1:not base64!"],
    )
    def test_malformed_are_refused_without_being_shown(self, keys, configured):
        keys(configured)

        with pytest.raises(ImproperlyConfigured) as caught:
            crypto.current_key_id()
        assert K1[3:] not in str(caught.value)

    def test_the_first_is_current(self, keys):
        keys(K3, K1, K2)

        assert crypto.current_key_id() == "k3"


@pytest.mark.django_db
class TestRotation:
    @pytest.fixture(autouse=True)
    def people(self, monkeypatch):
        monkeypatch.setattr(crypto, "_registry", set())
        crypto.register(table="core_test_person", column="email")
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TABLE core_test_person (id uuid PRIMARY KEY, book_id uuid, email text)"
            )

    def add(self, *plains):
        for plain in plains:
            row_id, book_id = ids.new_id(), ids.new_id()
            place = {"row_id": row_id, "book_id": book_id}
            token = plain and crypto.encrypt(
                plain, table="core_test_person", column="email", **place
            )
            with connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO core_test_person VALUES (%s, %s, %s)", [row_id, book_id, token]
                )

    def tokens(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, book_id, email FROM core_test_person ORDER BY id")
            return cursor.fetchall()

    def plains(self):
        place = {"table": "core_test_person", "column": "email"}
        return [
            token and crypto.decrypt(token, row_id=row_id, book_id=book_id, **place)
            for row_id, book_id, token in self.tokens()
        ]

    def rotate(self, **options):
        out = StringIO()
        call_command("rotate_keys", stdout=out, stderr=out, **options)
        return out.getvalue()

    def test_brings_every_field_under_the_current_key(self, keys):
        self.add("a", "b", None, "", "c", "d", "e")
        keys(K2, K1)

        assert "5 rotated to k2" in self.rotate(batch=2)

        keys(K2)  # the old key may go now
        assert self.plains() == ["a", "b", None, "", "c", "d", "e"]

    def test_leaves_what_is_current_as_it_is(self, keys):
        self.add("a")
        before = self.tokens()

        assert "0 rotated" in self.rotate()
        assert self.tokens() == before

    def test_can_be_run_again(self, keys):
        self.add("a", "b")
        keys(K2, K1)

        assert "2 rotated" in self.rotate()
        assert "0 rotated" in self.rotate()

    def test_checks_without_changing(self, keys):
        self.add("a", "b")
        before = self.tokens()
        keys(K2, K1)

        assert "2 to rotate to k2" in self.rotate(check=True)
        assert self.tokens() == before

    def test_says_which_fields_no_key_opens_and_rotates_the_rest(self, keys):
        self.add("lost")
        keys(K2)
        self.add("kept")
        keys(K3, K2)

        with pytest.raises(CommandError, match="1 fields"):
            self.rotate()

        assert [token.split(".")[1] for _, _, token in self.tokens()] == ["k1", "k3"]
