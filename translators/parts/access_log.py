"""Access logs: one JSON object a line. JSON, because request text in a text format lets clients forge lines."""

from mirrorplane.api.settings import MeshSettings
from mirrorplane.translators import envoy

_FIELDS = {
    "start_time": "%START_TIME%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "method": "%REQ(:METHOD)%",
    "authority": "%REQ(:AUTHORITY)%",
    # The path as the client sent it: Envoy keeps it in this header when a route rewrites it.
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "route_name": "%ROUTE_NAME%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",  # the name as we gave it; the other is alt_stat_name
    "upstream_host": "%UPSTREAM_HOST%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "user_agent": "%REQ(USER-AGENT)%",
}


def access_logs(settings: MeshSettings) -> list[envoy.AccessLog]:
    """Return the access log the mesh asks for; none when its file is "" (Istio: accessLogFile)."""
    if not settings.access_log:
        return []
    log = envoy.FileAccessLog(path=settings.access_log)
    log.log_format.json_format.update(_FIELDS)
    return [envoy.AccessLog(name="envoy.access_loggers.file", typed_config=envoy.packed(log))]
