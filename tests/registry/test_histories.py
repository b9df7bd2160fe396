"""A whole history of every kind of record conforms, by both engines, one by one and at once."""

import pytest
from pyoxigraph import Store

from pressmark.ontology.terms import PM
from pressmark.registry.validation import Validator, audit


def everything(history) -> None:
    run = history.run()
    base = history.imported(run)
    converted = history.step(run, "convert/gguf", base)
    pruned = history.step(run, "prune/wanda", converted)
    history.fail(run, pruned)
    history.close(run, PM.aborted)
    second = history.run(continues=run)
    quantized = history.step(second, "quantize/rtn", pruned)
    history.evaluate(second, quantized, compared_with=base)
    history.evaluate(second, base, compared_with=base)
    history.close(second)
    made = history.register(quantized, external="somewhere/else")
    history.check(quantized)
    history.check(base, edge="generation")
    history.check(made, holds=False)
    history.check(pruned, kind=PM.Reproduce)
    history.promote(quantized)
    history.tag(quantized)
    history.tag(quantized, removed=True)
    history.report(quantized)
    history.retire(made)


@pytest.mark.parametrize("engine", ["compiled", "pyshacl"])
def test_every_record_conforms(history, engine: str) -> None:
    everything(history)
    validator, store = Validator(engine), Store()
    for record in history.records:
        assert validator.validate(record, store) == ()
        store.extend(record.quads())
    assert audit(store, engine) == ()


def test_the_bytes_of_a_history_do_not_change(new_history) -> None:
    one, two = new_history(3), new_history(3)
    everything(one)
    everything(two)
    assert [r.digest for r in one.records] == [r.digest for r in two.records]
