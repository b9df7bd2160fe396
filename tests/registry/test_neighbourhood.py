"""What is remembered of a graph is what the graph says, however much is added."""

from pyoxigraph import Store

from pressmark.registry.neighbourhood import ClosedSubjects, StoreReader


class CountedReader(StoreReader):
    """Counts what is asked of a store."""

    asked = 0

    def match(self, *pattern, **named):
        type(self).asked += 1
        return super().match(*pattern, **named)


def test_what_is_remembered_is_what_the_graph_says(history) -> None:
    run = history.run()
    base = history.imported(run)
    history.retire(history.step(run, "prune/wanda", base))
    history.close(run)
    store = Store()
    closed = ClosedSubjects(StoreReader(store))
    quads = [quad for record in history.records for quad in record.quads()]
    for record in history.records:
        store.extend(record.quads())
        for subject, predicate, value, name in quads:
            for pattern in (
                {"subject": subject},
                {"subject": subject, "predicate": predicate},
                {"subject": subject, "graph": name},
                {"predicate": predicate, "object_": value},
                {"graph": name},
            ):
                assert set(closed.match(**pattern)) == set(StoreReader(store).match(**pattern))


def test_a_graph_is_asked_about_a_known_node_once(history) -> None:
    run = history.run()
    reader = CountedReader(history.store())
    closed = ClosedSubjects(reader)
    assert list(closed.match(subject=run)) == list(closed.match(subject=run)) != []
    assert CountedReader.asked == 1
    unknown = history.iri()
    assert list(closed.match(subject=unknown)) == list(closed.match(subject=unknown)) == []
    assert CountedReader.asked == 3
