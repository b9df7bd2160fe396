"""How PROV statements about one activity are arranged: the only place that knows it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pyoxigraph import NamedNode

from pressmark.ontology import ONTOLOGY_VERSION, SHAPES_VERSION
from pressmark.ontology.terms import DCAT, DCTERMS, MLS, PM, PROV, RDF, RDFS
from pressmark.registry.descriptions import content
from pressmark.registry.errors import InvalidInputError
from pressmark.registry.ids import sub_iri
from pressmark.registry.occurrences import (
    Circumstances,
    Finding,
    Json,
    Measurement,
    NewArtifact,
    NewEvaluation,
    NewReport,
    Occurrence,
    Parameter,
    Usage,
)
from pressmark.registry.record import Description, Record, RecordBuilder, Value, moment

_VERDICTS: Final = {True: PM.holds, False: PM.refuted, None: PM.inconclusive}


class Writer:
    """Writes the statements of one record.

    Args:
        about: The activity, or the closing, that the record is about.
        bundle: IRI of the bundle; minted where it is not given.
        files: Files that the record brings, by SHA-256.
    """

    def __init__(
        self, about: NamedNode, bundle: NamedNode | None, files: Mapping[str, Path]
    ) -> None:
        self._about = about
        self._builder = RecordBuilder(bundle)
        for sha256, path in files.items():
            self._builder.attach(path, sha256)
        node = self._builder.bundle
        self.types(node, PM.Record, PROV.Bundle, PROV.Entity)
        self.say(node, PM.records, about)
        self.say(node, PM.ontologyVersion, ONTOLOGY_VERSION)
        self.say(node, PM.shapesVersion, SHAPES_VERSION)

    def build(self) -> Record:
        """Make the record."""
        return self._builder.build()

    def say(self, subject: NamedNode, predicate: NamedNode, value: Value | None) -> None:
        """Say one thing, or nothing where there is no value."""
        if value is not None:
            self._builder.add(subject, predicate, value)

    def describe(self, description: Description) -> NamedNode:
        """Bring a shared description along, and give its IRI."""
        return self._builder.describe(description)

    def types(self, subject: NamedNode, *classes: NamedNode) -> None:
        """Say what a node is; superclasses are written out."""
        for class_ in classes:
            self.say(subject, RDF.type, class_)

    def activity(self, occurrence: Occurrence, *classes: NamedNode) -> None:
        """Say what every activity has."""
        node = self._about
        self.types(node, *classes, PROV.Activity)
        self.say(node, PROV.startedAtTime, moment(occurrence.started_at))
        self.say(node, PROV.endedAtTime, moment(occurrence.ended_at))
        self.circumstances(occurrence.circumstances)
        self.usages(occurrence.usages)
        self.say(node, PM.log, occurrence.log)
        if costs := occurrence.costs:
            self.say(node, PM.wallSeconds, float(costs.wall_seconds))
            self.say(node, PM.cpuSeconds, float(costs.cpu_seconds))
            self.say(node, PM.peakMemoryBytes, costs.peak_memory_bytes)
        for files in occurrence.byproducts:
            self.say(node, PM.byproduct, self.describe(content(files)))

    def circumstances(self, given: Circumstances, plan: NamedNode | None = None) -> None:
        """Say where, by what program and for whom the activity happened."""
        self.say(self._about, PM.inEnvironment, self.describe(given.environment))
        self._association("engine", given.engine, PM.engineRole, plan)
        self._association("operator", given.agent, PM.operatorRole, None)

    def _association(
        self, suffix: str, agent: Description, role: NamedNode, plan: NamedNode | None
    ) -> None:
        node, iri = sub_iri(self._about, suffix), self.describe(agent)
        self.say(self._about, PROV.wasAssociatedWith, iri)
        self.say(self._about, PROV.qualifiedAssociation, node)
        self.types(node, PROV.Association)
        self.say(node, PROV.agent, iri)
        self.say(node, PROV.hadRole, role)
        self.say(node, PROV.hadPlan, plan)

    def usages(self, usages: tuple[Usage, ...]) -> None:
        """Say what the activity used, in short and with role and time."""
        for index, usage in enumerate(usages):
            node = sub_iri(self._about, f"usage-{index}")
            self.say(self._about, PROV.used, usage.entity)
            self.say(self._about, PROV.qualifiedUsage, node)
            self.types(node, PROV.Usage)
            self.say(node, PROV.entity, usage.entity)
            self.say(node, PROV.hadRole, usage.role)
            self.say(node, PROV.atTime, moment(usage.at))
            if usage.description:
                self.describe(usage.description)

    def parameters(self, parameters: tuple[Parameter, ...]) -> None:
        """Say what the activity was executed with."""
        for index, parameter in enumerate(parameters):
            node = sub_iri(self._about, f"parameter-{index}")
            self.say(self._about, PM.hadParameter, node)
            self.types(node, PM.ParameterSetting, MLS.HyperParameterSetting)
            self.say(node, PM.parameterName, parameter.name)
            self.say(node, MLS.hasValue, _plain(parameter.value))

    def measurements(self, subject: NamedNode, measurements: tuple[Measurement, ...]) -> None:
        """Say what was measured."""
        for index, measurement in enumerate(measurements):
            node = sub_iri(subject, f"measurement-{index}")
            self.say(subject, PM.hadMeasurement, node)
            self.types(node, PM.Measurement)
            self.say(node, PM.metricName, measurement.name)
            self.say(node, PM.metricValue, float(measurement.value))
            self.say(node, PM.metricUnit, measurement.unit)

    def generation(self, entity: NamedNode, at: str) -> NamedNode:
        """Say that the activity made an entity, and give the generation's node."""
        node = sub_iri(entity, "generation")
        self.say(entity, PROV.generatedAtTime, moment(at))
        self.say(entity, PROV.wasGeneratedBy, self._about)
        self.say(entity, PROV.qualifiedGeneration, node)
        self.types(node, PROV.Generation)
        self.say(node, PROV.activity, self._about)
        self.say(node, PROV.atTime, moment(at))
        return node

    def derivation(
        self, entity: NamedNode, parent: NamedNode, usages: tuple[Usage, ...], index: int = 0
    ) -> None:
        """Say that an entity was made from a parent which the activity used."""
        used = [usage.entity for usage in usages]
        if parent not in used:
            raise InvalidInputError(
                f"{entity} is said to derive from {parent}, which {self._about} did not use",
                "name each parent among the usages of the activity, with its role",
            )
        node = sub_iri(entity, f"derivation-{index}")
        self.say(entity, PROV.wasDerivedFrom, parent)
        self.say(entity, PROV.qualifiedDerivation, node)
        self.types(node, PROV.Derivation)
        self.say(node, PROV.entity, parent)
        self.say(node, PROV.hadActivity, self._about)
        self.say(node, PROV.hadUsage, sub_iri(self._about, f"usage-{used.index(parent)}"))
        self.say(node, PROV.hadGeneration, sub_iri(entity, "generation"))

    def artifact(self, artifact: NewArtifact, maker: Occurrence) -> None:
        """Say what was made: its bytes, its licence, its parents."""
        node = artifact.iri
        model = () if artifact.kind == PM.KVCachePolicy else (PM.ModelArtifact,)
        self.types(node, artifact.kind, *model, PROV.Entity)
        self.say(node, RDFS.label, artifact.name)
        self.say(node, DCTERMS.license, artifact.license)
        self.say(node, PM.hasContent, self.describe(content(artifact.files)))
        self.say(node, PM.parameterCount, artifact.parameter_count)
        self.say(node, PM.nonzeroParameterCount, artifact.nonzero_parameter_count)
        self.say(node, PM.importedFrom, artifact.imported_from)
        self.say(node, PM.sourceRevision, artifact.source_revision)
        self.say(node, PROV.wasAttributedTo, maker.circumstances.agent.iri)
        if artifact.model:
            self.say(node, PROV.specializationOf, self.describe(artifact.model))
        self._attributes(artifact)
        self.generation(node, artifact.generated_at)
        for index, parent in enumerate(artifact.parents):
            self.derivation(node, parent, maker.usages, index)

    def _attributes(self, artifact: NewArtifact) -> None:
        for index, (name, value) in enumerate(sorted(artifact.attributes.items())):
            node = sub_iri(artifact.iri, f"attribute-{index}")
            self.say(artifact.iri, PM.hasAttribute, node)
            self.types(node, PM.Attribute)
            self.say(node, PM.attributeName, name)
            self.say(node, PM.attributeValue, value)

    def evaluation(self, result: NewEvaluation, maker: Occurrence) -> None:
        """Say what was measured of an artifact on a data set."""
        node = result.iri
        self.types(node, PM.EvaluationResult, MLS.ModelEvaluation, PROV.Entity)
        self.say(node, PM.evaluates, result.evaluates)
        self.say(node, PM.onDataSet, self.describe(result.dataset))
        self.say(node, PM.comparedWith, result.compared_with)
        self.measurements(node, result.measurements)
        self.generation(node, result.generated_at)
        self.derivation(node, result.evaluates, maker.usages)

    def finding(self, finding: Finding) -> None:
        """Say what a check or a re-run found about one edge."""
        node = finding.iri
        is_derivation = "#derivation" in finding.about.value
        self.types(node, PM.Evidence, PROV.Entity)
        self.say(node, PM.aboutDerivation if is_derivation else PM.aboutGeneration, finding.about)
        self.say(node, PM.verdict, _VERDICTS[finding.holds])
        for claim in finding.claims:
            self.say(node, PM.claim, claim)
        self.say(node, PM.detail, finding.detail or None)
        self.generation(node, finding.found_at)

    def report(self, report: NewReport) -> None:
        """Say what a report is about, which bytes it is, and what it tells of."""
        node = report.iri
        self.types(node, PM.AuditReport, PROV.Entity)
        self.say(node, RDFS.label, report.name)
        self.say(node, PM.reportsOn, report.about)
        self.say(node, DCTERMS.format, report.media_type)
        self.say(node, PM.sha256, report.sha256)
        self.say(node, DCAT.byteSize, report.size)
        self.say(node, PM.journalHead, report.journal_head)
        self.say(node, PM.integrity, _VERDICTS[report.holds])
        self.generation(node, report.generated_at)


def _plain(value: Json) -> Value:
    """Keep a scalar as it is, and write anything else as canonical JSON."""
    if isinstance(value, str | bool | int | float):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
