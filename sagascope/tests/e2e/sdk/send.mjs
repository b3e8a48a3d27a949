// Sends spans, log records and metrics with OpenTelemetry's own SDK for JavaScript: OTLP/JSON over HTTP, plain and gzip.

import { SpanKind, SpanStatusCode, context, trace } from "@opentelemetry/api";
import { SeverityNumber } from "@opentelemetry/api-logs";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { LoggerProvider, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs";
import { AggregationType, MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";

const base = process.argv[2];

async function send(way, compression) {
  const resource = resourceFromAttributes({ "service.name": `js-${way}`, list: ["a", "b"] });
  const to = (signal) => ({ url: `${base}/v1/${signal}`, compression });

  const tracers = new BasicTracerProvider({
    resource,
    spanProcessors: [new SimpleSpanProcessor(new OTLPTraceExporter(to("traces")))],
  });
  const tracer = tracers.getTracer("checkout", "1.2");
  const parent = tracer.startSpan("place order", { kind: SpanKind.SERVER });
  parent.setAttributes({ text: "größer", whole: 2 ** 40, double: 0.5, flag: true, many: [1, 2, 3] });
  parent.addEvent("reserved", { items: 3 });
  const within = trace.setSpan(context.active(), parent);
  const child = tracer.startSpan("charge", { links: [{ context: parent.spanContext() }] }, within);
  child.recordException(new Error("declined"));
  child.setStatus({ code: SpanStatusCode.ERROR, message: "declined" });
  child.end();
  parent.end();

  const loggers = new LoggerProvider({
    resource,
    processors: [new SimpleLogRecordProcessor({ exporter: new OTLPLogExporter(to("logs")) })],
  });
  loggers.getLogger("checkout").emit({
    severityNumber: SeverityNumber.ERROR,
    severityText: "ERROR",
    body: { message: "the charge was declined", amounts: [1.5, 2] },
    attributes: { "order.id": "o-1" },
    eventName: "charge.declined",
  });

  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter(to("metrics")),
    exportIntervalMillis: 3_600_000,
  });
  const views = [{ instrumentName: "exp.duration", aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }];
  const meters = new MeterProvider({ resource, readers: [reader], views });
  const meter = meters.getMeter("checkout");
  meter.createCounter("orders").add(3, { kind: "web" });
  meter.createUpDownCounter("open").add(-1);
  meter.createGauge("level").record(7.5);
  meter.createHistogram("duration").record(0.2);
  meter.createHistogram("exp.duration").record(0.2);

  await tracers.forceFlush();
  await loggers.forceFlush();
  // A shutdown exports metrics once more by itself.
  for (const provider of [tracers, loggers, meters]) await provider.shutdown();
}

await send("plain", "none");
await send("gzip", "gzip");
