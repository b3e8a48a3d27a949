"""Reads a folder of sealed files with other engines: read.py FOLDER EXPECTED_JSON DDL_FOLDER."""

import glob
import json
import sys

import chdb.session
import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq

folder, expected, ddl = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
TIME = {"otel_traces": "Timestamp", "otel_logs": "Timestamp"}
MAP = {"otel_traces": "SpanAttributes", "otel_logs": "LogAttributes"}


def check(what, found, wanted):
    assert found == wanted, f"{what}: {found!r} instead of {wanted!r}"


def with_pyarrow(name, files, facts):
    table = pq.ParquetDataset(files).read()
    check(f"pyarrow rows of {name}", table.num_rows, facts["rows"])
    times = table[TIME.get(name, "TimeUnix")]
    check("pyarrow time", str(times.type), "timestamp[ns, tz=UTC]")
    check("pyarrow first", pc.min(times.cast("int64")).as_py(), facts["first_nanos"])
    pairs = [dict(row).get(facts["key"]) for row in table[MAP.get(name, "Attributes")].to_pylist()]
    check("pyarrow map", pairs.count(facts["value"]), facts["with_value"])
    for file in files:
        # Pages must agree with the checksums in their headers.
        checked = pq.read_table(file, page_checksum_verification=True)
        check("pyarrow checked", checked.num_rows, pq.read_metadata(file).num_rows)
    chosen = pq.read_table(files[0], columns=["ServiceName"], filters=[("ServiceName", "=", facts["service"])])
    check("pyarrow filter", set(chosen["ServiceName"].to_pylist()) <= {facts["service"]}, True)


def with_duckdb(name, files, facts):
    time, map_ = TIME.get(name, "TimeUnix"), MAP.get(name, "Attributes")
    query = f"""SELECT count(*), count(*) FILTER ({map_}[$key] = $value), count(*) FILTER (ServiceName = $service),
        epoch_ns(min({time})) FROM read_parquet($files)"""
    given = {"files": files, "key": facts["key"], "value": facts["value"], "service": facts["service"]}
    found = duckdb.execute(query, given).fetchone()
    wanted = (facts["rows"], facts["with_value"], facts["of_service"], facts["first_nanos"])
    check(f"duckdb {name}", found, wanted)
    # Every column of every row.
    duckdb.execute("CREATE OR REPLACE TABLE whole AS SELECT * FROM read_parquet($files)", {"files": files})


def with_clickhouse(session, name, pattern, facts):
    time, map_ = TIME.get(name, "TimeUnix"), MAP.get(name, "Attributes")
    facts_query = f"""SELECT count(), countIf({map_}['{facts["key"]}'] = '{facts["value"]}'),
        countIf(ServiceName = '{facts["service"]}'), min(toUnixTimestamp64Nano({time}))"""
    wanted = [facts["rows"], facts["with_value"], facts["of_service"], facts["first_nanos"]]

    def ask(source):
        return json.loads(str(session.query(f"{facts_query} FROM {source}", "JSONCompactEachRow")))

    numbers = lambda row: [int(number) for number in row]
    check(f"clickhouse {name}", numbers(ask(f"file('{pattern}', Parquet)")), wanted)
    # Into the table that the exporter itself makes.
    session.query(open(f"{ddl}/{name}.sql").read())
    own = [row[0] for row in json.loads("[" + ",".join(
        str(session.query(f"DESCRIBE TABLE file('{pattern}', Parquet)", "JSONCompactEachRow")).splitlines()) + "]")]
    columns = [row[0] for row in json.loads("[" + ",".join(
        str(session.query(f"DESCRIBE TABLE {name}", "JSONCompactEachRow")).splitlines()) + "]")]
    names = ", ".join(f"`{column}`" for column in columns if column in own)
    lacking = [column for column in columns if column not in own and column != "TimestampTime"
               and not column.endswith("AttributeItems")]
    check(f"columns that {name} of the exporter has and a file lacks", lacking, [])
    session.query(f"INSERT INTO {name} ({names}) SELECT {names} FROM file('{pattern}', Parquet)")
    check(f"clickhouse table {name}", numbers(ask(name)), wanted)


session = chdb.session.Session()
session.query("CREATE DATABASE IF NOT EXISTS otel")
session.query("USE otel")
for name, facts in expected.items():
    files = sorted(glob.glob(f"{folder}/{name}/*.parquet"))
    with_pyarrow(name, files, facts)
    with_duckdb(name, files, facts)
    with_clickhouse(session, name, f"{folder}/{name}/*.parquet", facts)
    print(f"{name}: {facts['rows']} rows read by pyarrow, duckdb and clickhouse")
