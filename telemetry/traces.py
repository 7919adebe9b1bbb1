"""OpenTelemetry traces, from a request through the workflows to WeChat Pay; off unless asked for.

Without an endpoint nothing of the SDK of OpenTelemetry is loaded and every span is a no-op.
"""

from typing import Final

from opentelemetry import trace
from temporalio.client import Plugin

TRACER: Final = "wechat-order-flow"


def plugins(endpoint: str, service: str) -> list[Plugin]:
    """What carries traces through Temporal; none where no endpoint takes them.

    Args:
        endpoint: of a collector that speaks OTLP over HTTP. The rest (headers, sampling, more
            attributes) is read by OpenTelemetry from its own OTEL_* variables.
        service: the process's name, unless OTEL_SERVICE_NAME says another.
    """
    if not endpoint:
        return []
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from temporalio.contrib.opentelemetry import OpenTelemetryPlugin, create_tracer_provider

    resource = Resource({"service.name": service}).merge(OTELResourceDetector().detect())
    provider = create_tracer_provider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return [OpenTelemetryPlugin(add_temporal_spans=True)]
