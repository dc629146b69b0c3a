"""What is written down about lists agrees with the catalogue and the declarations."""

import pytest

from perfectcatch.model.entity import Entity, Inactive
from perfectcatch.model.source import Related
from perfectcatch.vendors.servicetitan import endpoints
from perfectcatch.vendors.servicetitan.entities import BY_NAME, ENTITIES
from perfectcatch.vendors.servicetitan.listings import form, listing
from perfectcatch.vendors.servicetitan.related import OF_CUSTOMER

BY_FEED_ALONE = {"job_notes", "calls"}


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
def test_every_entity_but_two_can_be_counted(entity: Entity) -> None:
    for feed in entity.feeds:
        found = listing(feed.endpoint)
        if entity.name in BY_FEED_ALONE:
            assert found is None
            continue
        assert found is not None
        assert found.counts
        row = endpoints.find(found.endpoint)
        for name, value in (*found.everything, *found.living):
            parameter = next(each for each in row.query if each.name == name)
            assert not parameter.choices or value in parameter.choices
        if entity.inactive_means is Inactive.DELETED and not found.form.adds:
            assert found.living != found.everything  # otherwise deleted records would count as living


def test_a_list_without_activity_says_so() -> None:
    jobs = listing("jpm.jobs.export")
    assert jobs is not None
    assert jobs.form.adds == (("active", True),)
    assert form("jpm.jobs.get") == jobs.form
    assert "calculatedPrice" in form("pricebook.services.get").drops


@pytest.mark.parametrize("related", OF_CUSTOMER, ids=lambda related: related.entity)
def test_what_belongs_to_a_customer_can_be_asked_for(related: Related) -> None:
    [feed] = BY_NAME[related.entity].feeds
    found = listing(feed.endpoint)
    assert found is not None
    [parameter] = [each for each in endpoints.find(found.endpoint).query if each.name == related.parameter]
    assert (parameter.type == "integer") != related.many
    read_before = ["customers", *(each.entity for each in OF_CUSTOMER[: OF_CUSTOMER.index(related)])]
    assert related.of in read_before
