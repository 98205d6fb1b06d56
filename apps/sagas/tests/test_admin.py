"""Runs in the console: to be seen and found, never to be changed."""

import pytest

from apps.sagas.tests import flow

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/admin/sagas/run/"


@pytest.fixture
def staff(client, django_user_model):
    client.force_login(django_user_model.objects.create_superuser("ann", "ann@example.com", "x"))
    return client


class TestRunPages:
    def test_the_list_shows_where_every_run_is(self, staff):
        waiting, _ = flow.begin(review=True)
        broken, _ = flow.begin(reserve="bug")

        page = staff.get(URL).content.decode()

        assert str(waiting.subject_id) in page
        assert str(broken.subject_id) in page
        assert "review" in page

    def test_a_run_is_found_by_its_subject(self, staff):
        run, _ = flow.begin(review=True)
        other, _ = flow.begin(review=True)

        page = staff.get(URL, {"q": str(run.subject_id)}).content.decode()

        assert str(run.subject_id) in page
        assert str(other.subject_id) not in page

    def test_the_page_of_a_run_says_why_it_stands_still(self, staff):
        run, _ = flow.begin(reserve="bug")

        assert "a bug in reserve" in staff.get(f"{URL}{run.id}/change/").content.decode()

    def test_nobody_changes_adds_or_deletes_one(self, staff):
        run, order = flow.begin(review=True)

        assert staff.get(f"{URL}add/").status_code == 403
        assert staff.post(f"{URL}{run.id}/delete/", {"post": "yes"}).status_code == 403
        assert staff.post(f"{URL}{run.id}/change/", {"status": "COMPLETED"}).status_code == 403
        assert flow.run_of(order).status == "WAITING"
