"""What holds for every statement, whatever the database it runs in."""

from tests.support import ROOT

STATEMENTS = sorted((ROOT / "jexevents" / "store").glob("*.sql"))


def test_of_several_logs_the_first_by_characters_counts() -> None:
    """Python compares characters; a language would put /opt before /Users.

    No server that the tests can have knows such a language.
    """
    assert STATEMENTS
    for path in STATEMENTS:
        for line in path.read_text("utf-8").splitlines():
            assert "order by log" not in line or 'order by log collate "C"' in line, path.name
