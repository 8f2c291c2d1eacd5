"""The Arrow and Parquet schema of a contract, built from its columns and from nothing else."""

import hashlib

import orjson
import pyarrow as pa

from studio_assets.contracts.model import Collection, Column, Kind

SCHEMA_VERSION = 1
"""Raised when the way rows are read or hashed changes, so that old files are never mixed with new rows."""

_ARROW_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.ENUM: pa.string(),
    Kind.INTEGER: pa.int64(),
    Kind.CENTS: pa.int64(),
    Kind.DOLLARS: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.INSTANT: pa.timestamp("us", tz="UTC"),
    Kind.DATE: pa.date32(),
}


def arrow_type(column: Column) -> pa.DataType:
    """Return the stored type of a column: money is int64 cents, instants are UTC microseconds."""
    return _ARROW_TYPES[column.kind]


def fingerprint(contract: Collection) -> str:
    """Return 16 hex digits that change whenever a row could be read differently under the contract."""
    rules = [
        [c.name, c.path, c.kind, c.values, c.aliases, c.case, c.is_required, c.minimum, c.maximum]
        for c in contract.columns
    ]
    canonical = orjson.dumps([SCHEMA_VERSION, contract.source, contract.path, rules])
    return hashlib.sha256(canonical).hexdigest()[:16]


def arrow_schema(contract: Collection) -> pa.Schema:
    """Return the schema of a contract's rows: ``document_id`` first, then the columns in contract order.

    Every column is nullable except ``document_id`` and required ones. Field metadata carries the source path,
    kind, unit and personal-data class; schema metadata carries the contract's name and fingerprint.
    """
    fields = [pa.field("document_id", pa.string(), nullable=False)]
    for column in contract.columns:
        metadata = {
            "path": column.path,
            "kind": column.kind.value,
            "personal_data": column.personal_data.value,
        }
        if column.unit:
            metadata["unit"] = column.unit
        fields.append(
            pa.field(column.name, arrow_type(column), nullable=not column.is_required, metadata=metadata)
        )
    return pa.schema(
        fields,
        metadata={
            "studio.contract": contract.name,
            "studio.source": contract.source,
            "studio.fingerprint": fingerprint(contract),
        },
    )
