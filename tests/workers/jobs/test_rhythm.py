"""What is done now and then in a loop that beats more often."""

from workers.jobs.rhythm import Rhythm


def test_each_thing_has_a_time_of_its_own() -> None:
    """What was done is due again after its time, whatever else was done meanwhile."""
    rhythm = Rhythm()
    assert rhythm.is_time("look", 100, 5)
    assert not rhythm.is_time("look", 104, 5)
    assert rhythm.is_time("tell", 104, 5)
    assert rhythm.is_time("look", 105, 5)


def test_progress_is_told_where_there_is_some_and_not_too_often() -> None:
    """The figure that is found is no news; another is, at once and then every so often."""
    rhythm = Rhythm()
    figures = [(3, 0), (3, 10), (4, 11), (5, 12), (6, 15), (7, 16), (7, 17), (7, 21)]
    assert [rhythm.is_news(figure, now, 5) for figure, now in figures] == [
        *(False, False, True, False, False, True, False, False),
    ]  # fmt: skip
