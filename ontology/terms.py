"""Every IRI that Pressmark writes or asks for, as a constant.

Generated from ``pressmark.ttl`` by ``python -m pressmark.ontology.generate``: do not edit.
The classes are closed: a misspelt term fails when mypy runs and when its module is imported.
"""
# ruff: noqa: E501, N815

from collections.abc import Mapping
from typing import Final

from pyoxigraph import NamedNode as _Node


class PM:
    """The terms of <https://w3id.org/pressmark/ns#> that are used here."""

    NAMESPACE: Final = "https://w3id.org/pressmark/ns#"

    Adapt: Final = _Node("https://w3id.org/pressmark/ns#Adapt")
    """The step that trains an adapter beside a frozen model."""
    Adapter: Final = _Node("https://w3id.org/pressmark/ns#Adapter")
    """Small weights that are trained beside a model and can be merged into it."""
    AliasAssignment: Final = _Node("https://w3id.org/pressmark/ns#AliasAssignment")
    """That an alias means an artifact, until a later assignment of the same alias."""
    ApplyKVPolicy: Final = _Node("https://w3id.org/pressmark/ns#ApplyKVPolicy")
    """The step that attaches a KV-cache policy to a model."""
    Attribute: Final = _Node("https://w3id.org/pressmark/ns#Attribute")
    """A named fact about an artifact that the step which made it reports, such as the group size of a quantization grid."""
    AuditReport: Final = _Node("https://w3id.org/pressmark/ns#AuditReport")
    """A document that tells where an artifact comes from and how sure that is, as it was recorded at one head of the journal. Its bytes are kept."""
    BaseModel: Final = _Node("https://w3id.org/pressmark/ns#BaseModel")
    """An artifact that came in from outside with its bytes unchanged: the end of a lineage."""
    Check: Final = _Node("https://w3id.org/pressmark/ns#Check")
    """The activity that re-derives the claimed relation of an artifact to its parents from the stored bytes."""
    Content: Final = _Node("https://w3id.org/pressmark/ns#Content")
    """A set of files, named by the digest of its description: the bytes of an artifact."""
    Convert: Final = _Node("https://w3id.org/pressmark/ns#Convert")
    """The step that rewrites weights into another format, with the values that format can hold."""
    ConvertedModel: Final = _Node("https://w3id.org/pressmark/ns#ConvertedModel")
    """An artifact that holds its parent's weights in another file format or number format."""
    DataSet: Final = _Node("https://w3id.org/pressmark/ns#DataSet")
    """Text that was used to calibrate or to evaluate, with digest, licence and source."""
    Engine: Final = _Node("https://w3id.org/pressmark/ns#Engine")
    """The program that executed an activity, at one version, commit and distribution."""
    Environment: Final = _Node("https://w3id.org/pressmark/ns#Environment")
    """The machine and the libraries with which something was executed."""
    Evaluate: Final = _Node("https://w3id.org/pressmark/ns#Evaluate")
    """The step that measures the quality of an artifact on a data set."""
    EvaluationResult: Final = _Node("https://w3id.org/pressmark/ns#EvaluationResult")
    """What was measured of one artifact on one data set."""
    Evidence: Final = _Node("https://w3id.org/pressmark/ns#Evidence")
    """The verdict of a check or a re-run about one derivation, or about one generation where there is no parent."""
    ExportAMX: Final = _Node("https://w3id.org/pressmark/ns#ExportAMX")
    """The step that lays weights out for the Intel AMX tile unit."""
    ExportedModel: Final = _Node("https://w3id.org/pressmark/ns#ExportedModel")
    """An artifact in the layout of one kernel or runtime."""
    ExternalArtifact: Final = _Node("https://w3id.org/pressmark/ns#ExternalArtifact")
    """An artifact that is known only because somebody named it as a parent; its bytes were never seen here."""
    File: Final = _Node("https://w3id.org/pressmark/ns#File")
    """One file of a content: its relative name, digest and size."""
    FineTunedModel: Final = _Node("https://w3id.org/pressmark/ns#FineTunedModel")
    """An artifact whose weights were trained further from its parent's."""
    Import: Final = _Node("https://w3id.org/pressmark/ns#Import")
    """The step that takes a model in from outside and keeps its bytes."""
    KVCachePolicy: Final = _Node("https://w3id.org/pressmark/ns#KVCachePolicy")
    """A rule for keeping, dropping or coding the key-value cache at run time, kept as a file of its own."""
    Measurement: Final = _Node("https://w3id.org/pressmark/ns#Measurement")
    """A metric, its value and its unit."""
    Merge: Final = _Node("https://w3id.org/pressmark/ns#Merge")
    """The step that folds an adapter into a model's weights."""
    MergedModel: Final = _Node("https://w3id.org/pressmark/ns#MergedModel")
    """An artifact into whose weights an adapter was folded."""
    Model: Final = _Node("https://w3id.org/pressmark/ns#Model")
    """A named line of artifacts, such as 'gemma-3-270m': artifacts are specializations of it."""
    ModelArtifact: Final = _Node("https://w3id.org/pressmark/ns#ModelArtifact")
    """One occurrence of a model's files: made once, by one activity. Two runs that give equal bytes give two artifacts with the same content."""
    Outcome: Final = _Node("https://w3id.org/pressmark/ns#Outcome")
    """How an activity ended."""
    ParameterSetting: Final = _Node("https://w3id.org/pressmark/ns#ParameterSetting")
    """The value that one parameter of a step had."""
    Promotion: Final = _Node("https://w3id.org/pressmark/ns#Promotion")
    """The activity that makes an alias such as 'prod' point at an artifact."""
    Prune: Final = _Node("https://w3id.org/pressmark/ns#Prune")
    """The step that removes weights or structures."""
    PrunedModel: Final = _Node("https://w3id.org/pressmark/ns#PrunedModel")
    """An artifact in which weights, rows, heads or whole blocks of its parent are zero or gone."""
    Quantize: Final = _Node("https://w3id.org/pressmark/ns#Quantize")
    """The step that replaces weights by codes and scales."""
    QuantizedModel: Final = _Node("https://w3id.org/pressmark/ns#QuantizedModel")
    """An artifact whose weights are stored as codes of a few bits with scales."""
    Recipe: Final = _Node("https://w3id.org/pressmark/ns#Recipe")
    """The plan of a run: its steps in order, as one YAML file."""
    RecipeStep: Final = _Node("https://w3id.org/pressmark/ns#RecipeStep")
    """One step of a recipe."""
    Record: Final = _Node("https://w3id.org/pressmark/ns#Record")
    """One immutable bundle of statements about one activity occurrence. It speaks only of nodes that it mints; its canonical N-Quads are the thing that is kept."""
    Registration: Final = _Node("https://w3id.org/pressmark/ns#Registration")
    """The claim that an artifact made elsewhere was derived from certain parents: declared, not executed."""
    Reporting: Final = _Node("https://w3id.org/pressmark/ns#Reporting")
    """The activity that writes an audit report of an artifact from what is recorded."""
    Reproduce: Final = _Node("https://w3id.org/pressmark/ns#Reproduce")
    """The activity that executes a recorded step again and compares digests."""
    Retirement: Final = _Node("https://w3id.org/pressmark/ns#Retirement")
    """The activity that withdraws an artifact from use. Its record stays."""
    Run: Final = _Node("https://w3id.org/pressmark/ns#Run")
    """One execution of a recipe. It is opened before its first step; whether it is running or was interrupted is asked of the graph."""
    RunClosing: Final = _Node("https://w3id.org/pressmark/ns#RunClosing")
    """The statement that a run has ended, and how."""
    Step: Final = _Node("https://w3id.org/pressmark/ns#Step")
    """One executed step: from input artifacts to at most one output, with parameters, measurements and an outcome."""
    TagAssignment: Final = _Node("https://w3id.org/pressmark/ns#TagAssignment")
    """That an artifact has a tag or, where pm:tagRemoved is true, no longer has it."""
    Tagging: Final = _Node("https://w3id.org/pressmark/ns#Tagging")
    """The activity that puts a tag on an artifact or takes it off."""
    Verdict: Final = _Node("https://w3id.org/pressmark/ns#Verdict")
    """What a check or a re-run found."""
    aborted: Final = _Node("https://w3id.org/pressmark/ns#aborted")
    """A person or the system stopped it before it was done."""
    aboutDerivation: Final = _Node("https://w3id.org/pressmark/ns#aboutDerivation")
    """The derivation that evidence speaks of."""
    aboutGeneration: Final = _Node("https://w3id.org/pressmark/ns#aboutGeneration")
    """The generation that evidence speaks of, where the artifact has no parent."""
    adapterRole: Final = _Node("https://w3id.org/pressmark/ns#adapterRole")
    """The adapter that a step trains from or folds in."""
    agentId: Final = _Node("https://w3id.org/pressmark/ns#agentId")
    """An opaque identifier of a person or organization. Names and addresses are kept outside the history, so that they can be erased."""
    alias: Final = _Node("https://w3id.org/pressmark/ns#alias")
    """A movable name, such as 'prod' or 'staging'."""
    assigns: Final = _Node("https://w3id.org/pressmark/ns#assigns")
    """The artifact that an alias or a tag is given to."""
    attributeName: Final = _Node("https://w3id.org/pressmark/ns#attributeName")
    """The name of a fact."""
    attributeValue: Final = _Node("https://w3id.org/pressmark/ns#attributeValue")
    """The value of a fact: a string, a boolean, an integer or a double."""
    baseRole: Final = _Node("https://w3id.org/pressmark/ns#baseRole")
    """The model that a step changes."""
    bundleDigest: Final = _Node("https://w3id.org/pressmark/ns#bundleDigest")
    """The SHA-256 of a record's canonical N-Quads. Derived from the journal, never part of a record."""
    byproduct: Final = _Node("https://w3id.org/pressmark/ns#byproduct")
    """Files that an activity left besides its output."""
    cacheKey: Final = _Node("https://w3id.org/pressmark/ns#cacheKey")
    """The SHA-256 over inputs, parameters and engine of a step: equal keys promise equal outputs."""
    calibrationRole: Final = _Node("https://w3id.org/pressmark/ns#calibrationRole")
    """The data that a step calibrates on."""
    claim: Final = _Node("https://w3id.org/pressmark/ns#claim")
    """A statement that was checked, such as 'every zero of the parent is zero'."""
    closedAtTime: Final = _Node("https://w3id.org/pressmark/ns#closedAtTime")
    """When a run ended."""
    closes: Final = _Node("https://w3id.org/pressmark/ns#closes")
    """The run that has ended."""
    comparedWith: Final = _Node("https://w3id.org/pressmark/ns#comparedWith")
    """The artifact whose outputs it was compared with."""
    continues: Final = _Node("https://w3id.org/pressmark/ns#continues")
    """The interrupted run that this run resumes."""
    cpuFlags: Final = _Node("https://w3id.org/pressmark/ns#cpuFlags")
    """The instruction sets that matter here, separated by spaces, sorted."""
    cpuModel: Final = _Node("https://w3id.org/pressmark/ns#cpuModel")
    """The processor's name."""
    cpuSeconds: Final = _Node("https://w3id.org/pressmark/ns#cpuSeconds")
    """Processor time of all threads, in seconds."""
    detail: Final = _Node("https://w3id.org/pressmark/ns#detail")
    """What was found in particular: the first difference, the counts."""
    distributionDigest: Final = _Node("https://w3id.org/pressmark/ns#distributionDigest")
    """The SHA-256 over the installed files of a program."""
    edgeEvidence: Final = _Node("https://w3id.org/pressmark/ns#edgeEvidence")
    """What is known of an edge: 'refuted', 'none', 'checked' or 'reproduced'. Derived by a question, never part of a record."""
    edgeOrigin: Final = _Node("https://w3id.org/pressmark/ns#edgeOrigin")
    """Whether a step of this registry made an edge ('executed') or somebody stated it ('declared'). Derived by a question, never part of a record."""
    engineRole: Final = _Node("https://w3id.org/pressmark/ns#engineRole")
    """The program that executed the activity."""
    errorMessage: Final = _Node("https://w3id.org/pressmark/ns#errorMessage")
    """Why an activity failed."""
    evaluates: Final = _Node("https://w3id.org/pressmark/ns#evaluates")
    """The artifact that was evaluated."""
    evaluationRole: Final = _Node("https://w3id.org/pressmark/ns#evaluationRole")
    """The data that a step evaluates on."""
    failed: Final = _Node("https://w3id.org/pressmark/ns#failed")
    """It stopped with an error and generated nothing."""
    fileCount: Final = _Node("https://w3id.org/pressmark/ns#fileCount")
    """How many files a content has."""
    fileName: Final = _Node("https://w3id.org/pressmark/ns#fileName")
    """The name of a file, relative, with '/' between folders."""
    finding: Final = _Node("https://w3id.org/pressmark/ns#finding")
    """One thing that verifying found wrong. Told in a report, never part of a record."""
    hadMeasurement: Final = _Node("https://w3id.org/pressmark/ns#hadMeasurement")
    """Something that was measured."""
    hadParameter: Final = _Node("https://w3id.org/pressmark/ns#hadParameter")
    """A parameter that an activity was executed with."""
    hasAttribute: Final = _Node("https://w3id.org/pressmark/ns#hasAttribute")
    """A fact about an artifact that its step reports."""
    hasContent: Final = _Node("https://w3id.org/pressmark/ns#hasContent")
    """The bytes of an artifact."""
    hasFile: Final = _Node("https://w3id.org/pressmark/ns#hasFile")
    """A file of a content."""
    holds: Final = _Node("https://w3id.org/pressmark/ns#holds")
    """Every claim was found true."""
    importedFrom: Final = _Node("https://w3id.org/pressmark/ns#importedFrom")
    """Where an artifact was taken from, as it was given: a hub id, a path or an address."""
    inEnvironment: Final = _Node("https://w3id.org/pressmark/ns#inEnvironment")
    """The environment that an activity was executed in."""
    inconclusive: Final = _Node("https://w3id.org/pressmark/ns#inconclusive")
    """A re-run gave other bytes, but on another machine or with other code than the record names, so that it neither confirms nor refutes."""
    integrity: Final = _Node("https://w3id.org/pressmark/ns#integrity")
    """What verifying bytes, records, journal and graph found while a report was made; inconclusive where nothing was verified."""
    isStepOf: Final = _Node("https://w3id.org/pressmark/ns#isStepOf")
    """The run that a step belongs to."""
    journalHead: Final = _Node("https://w3id.org/pressmark/ns#journalHead")
    """The digest of the journal's last entry at the time of a report: the state that it tells of."""
    libraryVersion: Final = _Node("https://w3id.org/pressmark/ns#libraryVersion")
    """A library's name and version, separated by a space."""
    log: Final = _Node("https://w3id.org/pressmark/ns#log")
    """The SHA-256 of the log that an activity wrote."""
    memoryBytes: Final = _Node("https://w3id.org/pressmark/ns#memoryBytes")
    """Physical memory, in bytes."""
    metricName: Final = _Node("https://w3id.org/pressmark/ns#metricName")
    """What was measured, such as 'perplexity' or 'sparsity'."""
    metricUnit: Final = _Node("https://w3id.org/pressmark/ns#metricUnit")
    """The UCUM code of the unit; '1' where the number has none."""
    metricValue: Final = _Node("https://w3id.org/pressmark/ns#metricValue")
    """The measured number."""
    nonzeroParameterCount: Final = _Node("https://w3id.org/pressmark/ns#nonzeroParameterCount")
    """How many of an artifact's parameters are not zero."""
    onDataSet: Final = _Node("https://w3id.org/pressmark/ns#onDataSet")
    """The data that it was evaluated on."""
    ontologyVersion: Final = _Node("https://w3id.org/pressmark/ns#ontologyVersion")
    """The version of this vocabulary that a record is written in."""
    operatorRole: Final = _Node("https://w3id.org/pressmark/ns#operatorRole")
    """The person or organization on whose behalf it was executed."""
    outcome: Final = _Node("https://w3id.org/pressmark/ns#outcome")
    """How an activity ended."""
    parameterCount: Final = _Node("https://w3id.org/pressmark/ns#parameterCount")
    """How many parameters an artifact's model has: tied ones once, packed ones unpacked."""
    parameterName: Final = _Node("https://w3id.org/pressmark/ns#parameterName")
    """The name of a parameter."""
    parentRole: Final = _Node("https://w3id.org/pressmark/ns#parentRole")
    """An earlier artifact that a step compares with or takes information from."""
    peakMemoryBytes: Final = _Node("https://w3id.org/pressmark/ns#peakMemoryBytes")
    """Largest resident memory of the process, in bytes."""
    platform: Final = _Node("https://w3id.org/pressmark/ns#platform")
    """Operating system, kernel and processor family."""
    policyRole: Final = _Node("https://w3id.org/pressmark/ns#policyRole")
    """The KV-cache policy that a step attaches."""
    position: Final = _Node("https://w3id.org/pressmark/ns#position")
    """The place of a step in its recipe, from 0."""
    pythonVersion: Final = _Node("https://w3id.org/pressmark/ns#pythonVersion")
    """The version of Python."""
    reason: Final = _Node("https://w3id.org/pressmark/ns#reason")
    """Why something was done, for a person."""
    recipeRole: Final = _Node("https://w3id.org/pressmark/ns#recipeRole")
    """The recipe that a run follows."""
    records: Final = _Node("https://w3id.org/pressmark/ns#records")
    """The activity, or the closing of a run, that a record is about."""
    refuted: Final = _Node("https://w3id.org/pressmark/ns#refuted")
    """At least one claim was found false. It outweighs all other evidence."""
    reportsOn: Final = _Node("https://w3id.org/pressmark/ns#reportsOn")
    """The artifact that an audit report is about."""
    reused: Final = _Node("https://w3id.org/pressmark/ns#reused")
    """An artifact that a run took from an earlier run instead of making it again, because inputs, parameters and engine were equal."""
    seed: Final = _Node("https://w3id.org/pressmark/ns#seed")
    """The seed of all random numbers."""
    sequence: Final = _Node("https://w3id.org/pressmark/ns#sequence")
    """The place of a record in the journal. Derived from the journal, never part of a record."""
    sha256: Final = _Node("https://w3id.org/pressmark/ns#sha256")
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    shapesVersion: Final = _Node("https://w3id.org/pressmark/ns#shapesVersion")
    """The version of the shapes that a record was validated with."""
    sourceCommit: Final = _Node("https://w3id.org/pressmark/ns#sourceCommit")
    """The commit that a program was built from, or 'unknown'."""
    sourceRevision: Final = _Node("https://w3id.org/pressmark/ns#sourceRevision")
    """The commit or revision at the source."""
    stepName: Final = _Node("https://w3id.org/pressmark/ns#stepName")
    """The name by which recipes call a step, such as 'prune/wanda'."""
    stepVersion: Final = _Node("https://w3id.org/pressmark/ns#stepVersion")
    """The version of a step's implementation; it changes when outputs may change."""
    subjectRole: Final = _Node("https://w3id.org/pressmark/ns#subjectRole")
    """The artifact that a check, a re-run, a promotion, a tagging, a registration or a report is about."""
    succeeded: Final = _Node("https://w3id.org/pressmark/ns#succeeded")
    """It did what it was asked to."""
    tag: Final = _Node("https://w3id.org/pressmark/ns#tag")
    """A label that many artifacts may have."""
    tagRemoved: Final = _Node("https://w3id.org/pressmark/ns#tagRemoved")
    """Whether the tag was taken off."""
    threadCount: Final = _Node("https://w3id.org/pressmark/ns#threadCount")
    """How many threads computed."""
    verdict: Final = _Node("https://w3id.org/pressmark/ns#verdict")
    """What was found."""
    version: Final = _Node("https://w3id.org/pressmark/ns#version")
    """The version of a program."""
    wallSeconds: Final = _Node("https://w3id.org/pressmark/ns#wallSeconds")
    """Elapsed time, in seconds."""


class PROV:
    """The terms of <http://www.w3.org/ns/prov#> that are used here."""

    NAMESPACE: Final = "http://www.w3.org/ns/prov#"

    Activity: Final = _Node("http://www.w3.org/ns/prov#Activity")
    Agent: Final = _Node("http://www.w3.org/ns/prov#Agent")
    Association: Final = _Node("http://www.w3.org/ns/prov#Association")
    Bundle: Final = _Node("http://www.w3.org/ns/prov#Bundle")
    Derivation: Final = _Node("http://www.w3.org/ns/prov#Derivation")
    Entity: Final = _Node("http://www.w3.org/ns/prov#Entity")
    Generation: Final = _Node("http://www.w3.org/ns/prov#Generation")
    Organization: Final = _Node("http://www.w3.org/ns/prov#Organization")
    Person: Final = _Node("http://www.w3.org/ns/prov#Person")
    Plan: Final = _Node("http://www.w3.org/ns/prov#Plan")
    Role: Final = _Node("http://www.w3.org/ns/prov#Role")
    SoftwareAgent: Final = _Node("http://www.w3.org/ns/prov#SoftwareAgent")
    Usage: Final = _Node("http://www.w3.org/ns/prov#Usage")
    activity: Final = _Node("http://www.w3.org/ns/prov#activity")
    agent: Final = _Node("http://www.w3.org/ns/prov#agent")
    atTime: Final = _Node("http://www.w3.org/ns/prov#atTime")
    endedAtTime: Final = _Node("http://www.w3.org/ns/prov#endedAtTime")
    entity: Final = _Node("http://www.w3.org/ns/prov#entity")
    generatedAtTime: Final = _Node("http://www.w3.org/ns/prov#generatedAtTime")
    hadActivity: Final = _Node("http://www.w3.org/ns/prov#hadActivity")
    hadGeneration: Final = _Node("http://www.w3.org/ns/prov#hadGeneration")
    hadPlan: Final = _Node("http://www.w3.org/ns/prov#hadPlan")
    hadRole: Final = _Node("http://www.w3.org/ns/prov#hadRole")
    hadUsage: Final = _Node("http://www.w3.org/ns/prov#hadUsage")
    has_anchor: Final = _Node("http://www.w3.org/ns/prov#has_anchor")
    has_provenance: Final = _Node("http://www.w3.org/ns/prov#has_provenance")
    has_query_service: Final = _Node("http://www.w3.org/ns/prov#has_query_service")
    invalidated: Final = _Node("http://www.w3.org/ns/prov#invalidated")
    qualifiedAssociation: Final = _Node("http://www.w3.org/ns/prov#qualifiedAssociation")
    qualifiedDerivation: Final = _Node("http://www.w3.org/ns/prov#qualifiedDerivation")
    qualifiedGeneration: Final = _Node("http://www.w3.org/ns/prov#qualifiedGeneration")
    qualifiedUsage: Final = _Node("http://www.w3.org/ns/prov#qualifiedUsage")
    specializationOf: Final = _Node("http://www.w3.org/ns/prov#specializationOf")
    startedAtTime: Final = _Node("http://www.w3.org/ns/prov#startedAtTime")
    used: Final = _Node("http://www.w3.org/ns/prov#used")
    wasAssociatedWith: Final = _Node("http://www.w3.org/ns/prov#wasAssociatedWith")
    wasAttributedTo: Final = _Node("http://www.w3.org/ns/prov#wasAttributedTo")
    wasDerivedFrom: Final = _Node("http://www.w3.org/ns/prov#wasDerivedFrom")
    wasGeneratedBy: Final = _Node("http://www.w3.org/ns/prov#wasGeneratedBy")
    wasInformedBy: Final = _Node("http://www.w3.org/ns/prov#wasInformedBy")


class PPLAN:
    """The terms of <http://purl.org/net/p-plan#> that are used here."""

    NAMESPACE: Final = "http://purl.org/net/p-plan#"

    Plan: Final = _Node("http://purl.org/net/p-plan#Plan")
    Step: Final = _Node("http://purl.org/net/p-plan#Step")
    correspondsToStep: Final = _Node("http://purl.org/net/p-plan#correspondsToStep")
    isStepOfPlan: Final = _Node("http://purl.org/net/p-plan#isStepOfPlan")


class MLS:
    """The terms of <http://www.w3.org/ns/mls#> that are used here."""

    NAMESPACE: Final = "http://www.w3.org/ns/mls#"

    HyperParameterSetting: Final = _Node("http://www.w3.org/ns/mls#HyperParameterSetting")
    ModelEvaluation: Final = _Node("http://www.w3.org/ns/mls#ModelEvaluation")
    hasValue: Final = _Node("http://www.w3.org/ns/mls#hasValue")


class DCAT:
    """The terms of <http://www.w3.org/ns/dcat#> that are used here."""

    NAMESPACE: Final = "http://www.w3.org/ns/dcat#"

    Dataset: Final = _Node("http://www.w3.org/ns/dcat#Dataset")
    byteSize: Final = _Node("http://www.w3.org/ns/dcat#byteSize")


class DCTERMS:
    """The terms of <http://purl.org/dc/terms/> that are used here."""

    NAMESPACE: Final = "http://purl.org/dc/terms/"

    format: Final = _Node("http://purl.org/dc/terms/format")
    license: Final = _Node("http://purl.org/dc/terms/license")
    source: Final = _Node("http://purl.org/dc/terms/source")


class RDF:
    """The terms of <http://www.w3.org/1999/02/22-rdf-syntax-ns#> that are used here."""

    NAMESPACE: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

    first: Final = _Node("http://www.w3.org/1999/02/22-rdf-syntax-ns#first")
    nil: Final = _Node("http://www.w3.org/1999/02/22-rdf-syntax-ns#nil")
    rest: Final = _Node("http://www.w3.org/1999/02/22-rdf-syntax-ns#rest")
    type: Final = _Node("http://www.w3.org/1999/02/22-rdf-syntax-ns#type")


class RDFS:
    """The terms of <http://www.w3.org/2000/01/rdf-schema#> that are used here."""

    NAMESPACE: Final = "http://www.w3.org/2000/01/rdf-schema#"

    comment: Final = _Node("http://www.w3.org/2000/01/rdf-schema#comment")
    label: Final = _Node("http://www.w3.org/2000/01/rdf-schema#label")
    subClassOf: Final = _Node("http://www.w3.org/2000/01/rdf-schema#subClassOf")


class XSD:
    """The terms of <http://www.w3.org/2001/XMLSchema#> that are used here."""

    NAMESPACE: Final = "http://www.w3.org/2001/XMLSchema#"

    anyURI: Final = _Node("http://www.w3.org/2001/XMLSchema#anyURI")
    boolean: Final = _Node("http://www.w3.org/2001/XMLSchema#boolean")
    dateTime: Final = _Node("http://www.w3.org/2001/XMLSchema#dateTime")
    double: Final = _Node("http://www.w3.org/2001/XMLSchema#double")
    integer: Final = _Node("http://www.w3.org/2001/XMLSchema#integer")
    string: Final = _Node("http://www.w3.org/2001/XMLSchema#string")


class SH:
    """The terms of <http://www.w3.org/ns/shacl#> that are used here."""

    NAMESPACE: Final = "http://www.w3.org/ns/shacl#"

    IRI: Final = _Node("http://www.w3.org/ns/shacl#IRI")
    Literal: Final = _Node("http://www.w3.org/ns/shacl#Literal")
    NodeShape: Final = _Node("http://www.w3.org/ns/shacl#NodeShape")
    PropertyShape: Final = _Node("http://www.w3.org/ns/shacl#PropertyShape")
    SPARQLConstraint: Final = _Node("http://www.w3.org/ns/shacl#SPARQLConstraint")
    ValidationReport: Final = _Node("http://www.w3.org/ns/shacl#ValidationReport")
    ValidationResult: Final = _Node("http://www.w3.org/ns/shacl#ValidationResult")
    class_: Final = _Node("http://www.w3.org/ns/shacl#class")
    closed: Final = _Node("http://www.w3.org/ns/shacl#closed")
    conforms: Final = _Node("http://www.w3.org/ns/shacl#conforms")
    datatype: Final = _Node("http://www.w3.org/ns/shacl#datatype")
    equals: Final = _Node("http://www.w3.org/ns/shacl#equals")
    focusNode: Final = _Node("http://www.w3.org/ns/shacl#focusNode")
    hasValue: Final = _Node("http://www.w3.org/ns/shacl#hasValue")
    ignoredProperties: Final = _Node("http://www.w3.org/ns/shacl#ignoredProperties")
    in_: Final = _Node("http://www.w3.org/ns/shacl#in")
    inversePath: Final = _Node("http://www.w3.org/ns/shacl#inversePath")
    lessThan: Final = _Node("http://www.w3.org/ns/shacl#lessThan")
    lessThanOrEquals: Final = _Node("http://www.w3.org/ns/shacl#lessThanOrEquals")
    maxCount: Final = _Node("http://www.w3.org/ns/shacl#maxCount")
    message: Final = _Node("http://www.w3.org/ns/shacl#message")
    minCount: Final = _Node("http://www.w3.org/ns/shacl#minCount")
    minInclusive: Final = _Node("http://www.w3.org/ns/shacl#minInclusive")
    minLength: Final = _Node("http://www.w3.org/ns/shacl#minLength")
    nodeKind: Final = _Node("http://www.w3.org/ns/shacl#nodeKind")
    path: Final = _Node("http://www.w3.org/ns/shacl#path")
    pattern: Final = _Node("http://www.w3.org/ns/shacl#pattern")
    prefixes: Final = _Node("http://www.w3.org/ns/shacl#prefixes")
    property: Final = _Node("http://www.w3.org/ns/shacl#property")
    result: Final = _Node("http://www.w3.org/ns/shacl#result")
    resultMessage: Final = _Node("http://www.w3.org/ns/shacl#resultMessage")
    resultPath: Final = _Node("http://www.w3.org/ns/shacl#resultPath")
    select: Final = _Node("http://www.w3.org/ns/shacl#select")
    sourceConstraint: Final = _Node("http://www.w3.org/ns/shacl#sourceConstraint")
    sourceConstraintComponent: Final = _Node("http://www.w3.org/ns/shacl#sourceConstraintComponent")
    sourceShape: Final = _Node("http://www.w3.org/ns/shacl#sourceShape")
    sparql: Final = _Node("http://www.w3.org/ns/shacl#sparql")
    targetClass: Final = _Node("http://www.w3.org/ns/shacl#targetClass")
    value: Final = _Node("http://www.w3.org/ns/shacl#value")


PREFIXES: Final[Mapping[str, str]] = {
    "pm": PM.NAMESPACE,
    "prov": PROV.NAMESPACE,
    "pplan": PPLAN.NAMESPACE,
    "mls": MLS.NAMESPACE,
    "dcat": DCAT.NAMESPACE,
    "dcterms": DCTERMS.NAMESPACE,
    "rdf": RDF.NAMESPACE,
    "rdfs": RDFS.NAMESPACE,
    "xsd": XSD.NAMESPACE,
    "sh": SH.NAMESPACE,
}
"""The prefixes of all vocabularies, as queries and reports write them."""
