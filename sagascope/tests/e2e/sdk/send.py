"""Sends spans, log records and metrics with OpenTelemetry's own SDK: gRPC and HTTP, plain and gzip."""

import logging
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc import _log_exporter as grpc_logs
from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as grpc_metrics
from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc_traces
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http import _log_exporter as http_logs
from opentelemetry.exporter.otlp.proto.http import metric_exporter as http_metrics
from opentelemetry.exporter.otlp.proto.http import trace_exporter as http_traces
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, StatusCode

grpc_url, http_url = sys.argv[1:]


def exporters(way):
    """Exporters of spans, log records and metrics, for one way in."""
    if way.startswith("grpc"):
        import grpc

        compression = grpc.Compression.Gzip if way == "grpc-gzip" else grpc.Compression.NoCompression
        options = {"endpoint": grpc_url, "insecure": True, "compression": compression}
        return (
            grpc_traces.OTLPSpanExporter(**options),
            grpc_logs.OTLPLogExporter(**options),
            grpc_metrics.OTLPMetricExporter(**options),
        )
    compression = Compression.Gzip if way == "http-gzip" else Compression.NoCompression
    return (
        http_traces.OTLPSpanExporter(f"{http_url}/v1/traces", compression=compression),
        http_logs.OTLPLogExporter(f"{http_url}/v1/logs", compression=compression),
        http_metrics.OTLPMetricExporter(f"{http_url}/v1/metrics", compression=compression),
    )


def send(way):
    resource = Resource.create({"service.name": f"py-{way}", "list": ["a", "b"]})
    spans, logs, metrics = exporters(way)
    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    tracer = tracers.get_tracer("checkout", "1.2")
    with tracer.start_as_current_span("place order", kind=trace.SpanKind.SERVER) as parent:
        parent.set_attributes({"text": "größer", "whole": 2**62, "double": 0.5, "flag": True, "many": [1, 2, 3]})
        parent.add_event("reserved", {"items": 3})
        with tracer.start_as_current_span("charge", links=[Link(parent.get_span_context())]) as child:
            child.record_exception(ValueError("declined"))
            child.set_status(StatusCode.ERROR, "declined")

    loggers = LoggerProvider(resource=resource)
    loggers.add_log_record_processor(SimpleLogRecordProcessor(logs))
    logger = logging.getLogger(way)
    logger.addHandler(LoggingHandler(logger_provider=loggers))
    logger.error("the charge was declined", extra={"order.id": "o-1"})

    reader = PeriodicExportingMetricReader(metrics, export_interval_millis=3_600_000)
    exponential = View(instrument_type=Histogram, instrument_name="exp*", aggregation=ExponentialBucketHistogramAggregation())
    meters = MeterProvider([reader], resource=resource, views=[exponential])
    meter = meters.get_meter("checkout")
    meter.create_counter("orders").add(3, {"kind": "web"})
    meter.create_up_down_counter("open").add(-1)
    meter.create_gauge("level").set(7.5)
    meter.create_histogram("duration").record(0.2)
    meter.create_histogram("exp.duration").record(0.2)

    ended = [tracers.force_flush(), loggers.force_flush()]
    # Exports once more by itself.
    meters.shutdown()
    loggers.shutdown()
    tracers.shutdown()
    assert all(ended), f"{way}: {ended}"


for name in ("grpc", "grpc-gzip", "http", "http-gzip"):
    send(name)
