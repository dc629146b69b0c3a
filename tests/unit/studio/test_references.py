"""Links between tables follow from the declarations of the entities."""

from perfectcatch.model.entity import Child, Entity, Link, big, export, text
from perfectcatch.studio.references import References, Table

PEOPLE = Entity(
    name="people", table="m.people", does="", groups=(), feeds=export("p"), columns=(text("name"),)
)
JOBS = Entity(
    name="jobs",
    table="m.jobs",
    does="",
    groups=(),
    feeds=export("j"),
    columns=(big("person_id", ref="people"), big("crew_id"), big("unit_id", ref="units")),
    children=(
        Child(
            table="job_items",
            at="items",
            parent_column="job_id",
            columns=(big("by_id", ref="people"),),
            does="",
        ),
    ),
    links=(Link(table="job_people", left="person_id", right="crew_id", does=""),),
)
REFERENCES = References((PEOPLE, JOBS))
PERSON, JOB = Table("m", "people"), Table("m", "jobs")


def test_columns_name_records_of_other_tables():
    assert REFERENCES.of(JOB) == {"person_id": PERSON}, "units are not mirrored"
    assert REFERENCES.of(PERSON) == {}


def test_children_name_their_parent_and_what_they_refer_to():
    assert REFERENCES.of(Table("m", "job_items")) == {"job_id": JOB, "by_id": PERSON}


def test_link_tables_name_what_the_columns_of_their_entity_name():
    assert REFERENCES.of(Table("m", "job_people")) == {"person_id": PERSON}


def test_records_know_what_points_at_them():
    assert set(REFERENCES.to(PERSON)) == {
        (JOB, "person_id"),
        (Table("m", "job_items"), "by_id"),
        (Table("m", "job_people"), "person_id"),
    }
    assert REFERENCES.to(JOB) == [(Table("m", "job_items"), "job_id")]


def test_without_declarations_nothing_is_linked():
    assert References().of(JOB) == {}
    assert References().to(PERSON) == []
