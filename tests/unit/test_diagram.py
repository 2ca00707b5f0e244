import re

from schema.diagram import README, diagram, with_diagram
from schema.tables import Base


def test_the_readme_shows_the_tables_as_the_models_say_they_are():
    text = README.read_text()
    assert with_diagram(text) == text, "run: python -m schema.diagram --write"


def test_every_table_and_column_is_drawn():
    drawn = diagram()
    for table in Base.metadata.sorted_tables:
        entity = re.search(rf"^    {table.name} {{\n(.*?)^    }}", drawn, re.MULTILINE | re.DOTALL)
        assert entity is not None, table.name
        assert [line.split()[1] for line in entity[1].splitlines()] == [column.name for column in table.columns]


def test_what_is_drawn_is_what_mermaid_reads():
    attribute = r'        [a-z][\w\[\]()-]* \w+( (PK|FK|UK)(,(PK|FK|UK))*)?( "[^"]+")?'
    relation = r'    \w+ (\|\||\|o)(--|\.\.)(o\||o\{) \w+ : "[^"]+"'
    other = r"|#.*|\|.*|[^{}]*|```mermaid|```|erDiagram|    \w+ {|    }"
    for line in diagram().splitlines():
        assert re.fullmatch(f"{attribute}|{relation}" if line.startswith("        ") else f"{relation}{other}", line), (
            line
        )


def test_every_foreign_key_is_a_line():
    drawn = set(diagram().splitlines())
    keys = [
        (key.referred_table.name, table.name)
        for table in Base.metadata.tables.values()
        for key in table.foreign_key_constraints
    ]
    for parent, child in keys:
        assert any(line.startswith(f"    {parent} ") and f" {child} : " in line for line in drawn), (parent, child)
