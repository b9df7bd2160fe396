"""Audit reports: everything that is known of one artifact, on one page that needs nothing else.

`build` gathers the facts, `FORMATS` write them down. A report fetches nothing, runs no script, and
says of each section which SPARQL query gives the same rows again. `register_report` keeps one.
"""

from pressmark.registry.kept_reports import KeptReport, KeptReports, kept_report, kept_reports
from pressmark.registry.report.formats import FORMATS, Format, format_named, format_of_file
from pressmark.registry.report.gather import Names, build, nobody
from pressmark.registry.report.model import Report
from pressmark.registry.report.registering import register_report

__all__ = [
    "FORMATS",
    "Format",
    "KeptReport",
    "KeptReports",
    "Names",
    "Report",
    "build",
    "format_named",
    "format_of_file",
    "kept_report",
    "kept_reports",
    "nobody",
    "register_report",
]
