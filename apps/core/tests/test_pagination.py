import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext, isolate_apps
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from apps.core import ids
from apps.core.errors import InvalidRequest
from apps.core.pagination import currency_of, moment_of, paginate

with isolate_apps("apps.core"):

    class Thing(models.Model):
        id = models.UUIDField(primary_key=True, default=ids.new_id)
        name = models.CharField(max_length=9)

        class Meta:
            app_label = "core"
            db_table = "core_test_thing"


pytestmark = pytest.mark.django_db


@pytest.fixture
def things():
    """Twelve of them, from the oldest, thing 0, to the newest, thing 11."""
    with connection.schema_editor() as editor:
        editor.create_model(Thing)
    return Thing.objects.bulk_create([Thing(name=str(n)) for n in range(12)])


def page(query="", **options):
    request = Request(APIRequestFactory().get(f"/v1/things?{query}"))
    options = {"prefix": "thing", **options}
    response = paginate(
        Thing.objects.all(),
        request,
        render=lambda thing: {"name": thing.name},
        url="/v1/things",
        **options,
    )
    return response.data


def names(answer):
    return [int(thing["name"]) for thing in answer["data"]]


def cursor(thing, prefix="thing"):
    return ids.encode(prefix, thing.id)


class TestPage:
    def test_is_the_newest_ten(self, things):
        answer = page()

        assert names(answer) == [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]
        assert (answer["object"], answer["has_more"], answer["url"]) == ("list", True, "/v1/things")

    def test_holds_as_many_as_asked_for(self, things):
        assert names(page("limit=2")) == [11, 10]
        assert page("limit=12")["has_more"] is False
        assert page("limit=11")["has_more"] is True
        assert len(page("limit=100")["data"]) == 12

    def test_starts_after_an_id(self, things):
        answer = page(f"limit=3&starting_after={cursor(things[5])}")

        assert names(answer) == [4, 3, 2]
        assert answer["has_more"] is True

    def test_ends_before_an_id(self, things):
        answer = page(f"limit=3&ending_before={cursor(things[5])}")

        assert names(answer) == [8, 7, 6]  # the neighbors of 5, still newest first
        assert answer["has_more"] is True
        assert page(f"limit=3&ending_before={cursor(things[8])}")["has_more"] is False

    def test_beyond_either_end_is_empty(self, things):
        for query in (f"starting_after={cursor(things[0])}", f"ending_before={cursor(things[11])}"):
            answer = page(query)
            assert (answer["data"], answer["has_more"]) == ([], False)

    def test_after_page_shows_everything_once(self, things):
        found, query = [], "limit=5"
        while True:
            answer = page(query)
            found += names(answer)
            if not answer["has_more"]:
                break
            query = f"limit=5&starting_after={cursor(things[found[-1]])}"

        assert found == list(range(11, -1, -1))

    def test_is_not_moved_by_newer_rows(self, things):
        after = cursor(things[5])
        Thing.objects.create(name="99")

        assert names(page(f"limit=1&starting_after={after}")) == [4]

    def test_does_not_need_the_row_of_its_cursor(self, things):
        gone = things.pop(5)
        Thing.objects.filter(id=gone.id).delete()

        assert names(page(f"limit=1&starting_after={cursor(gone)}")) == [4]

    def test_is_one_query(self, things):
        with CaptureQueriesContext(connection) as queries:
            page(f"starting_after={cursor(things[5])}")

        assert len(queries) == 1

    def test_of_several_kinds_takes_the_ids_of_each(self, things):
        query = f"limit=1&starting_after={cursor(things[5], 'bank')}"

        assert names(page(query, prefix=("card", "bank"))) == [4]

    def test_leaves_filters_to_its_caller(self, things):
        assert len(page("status=OPEN&metadata[k]=v", filters=("status", "metadata[*]"))["data"])


class TestRefused:
    @pytest.mark.parametrize(
        ("query", "param"),
        [
            *[(f"limit={x}", "limit") for x in ("0", "101", "-1", "x", "", "1.0", "1e1", "9" * 9)],
            *[(f"limit={x}", "limit") for x in ("%D9%A1", "+1", "%201", "1%00", "true")],
            ("limit=1&limit=2", "limit"),
            ("starting_after=", "starting_after"),
            ("starting_after=thing_1", "starting_after"),
            ("starting_after=other_" + "0" * 26, "starting_after"),
            ("ending_before=0190b3c4-1234-7890-8123-456789012345", "ending_before"),
            ("status=OPEN", "status"),
            ("page=2", "page"),
            (
                f"starting_after=thing_{'0' * 26}&ending_before=thing_{'0' * 26}",
                "ending_before",
            ),
        ],
    )
    def test_by_name_and_without_a_query(self, query, param):
        with CaptureQueriesContext(connection) as queries, pytest.raises(InvalidRequest) as caught:
            page(query)

        assert caught.value.param == param
        assert len(queries) == 0


class TestMoment:
    @pytest.mark.parametrize(
        ("text", "is_end", "expected"),
        [
            ("2026-01-31", False, "2026-01-31T00:00:00+00:00"),
            ("2026-01-31", True, "2026-02-01T00:00:00+00:00"),
            ("2026-01-31T12:00:00Z", True, "2026-01-31T12:00:00+00:00"),
            ("2026-01-31T12:00:00.25+02:00", False, "2026-01-31T10:00:00.250000+00:00"),
        ],
    )
    def test_is_a_day_or_a_time_with_its_zone(self, text, is_end, expected):
        assert moment_of("at", text, is_end=is_end).isoformat() == expected

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "today",
            "2026-01-32",
            "2026-01-31T12:00:00",
            "9999-12-31",
            "0001-01-01T00:00:00+23:59",
        ],
    )
    def test_is_nothing_else(self, text):
        with pytest.raises(InvalidRequest) as refused:
            moment_of("at", text, is_end=True)
        assert refused.value.param == "at"


def test_currency_is_one_that_one_can_be_paid_in():
    assert currency_of("USD") == "USD"
    for text in ("usd", "XAU", "", "DOLLAR"):
        with pytest.raises(InvalidRequest):
            currency_of(text)


def test_rows_of_a_page_are_prepared_together(things):
    seen = []
    page("limit=3", prepare=lambda rows: seen.append([row.name for row in rows]))
    assert seen == [["11", "10", "9"]]
