"""A new xDS type is one row: here RTDS gets one, in a process of its own, and is served, counted and shown."""

import subprocess
import sys
import textwrap

ADD_A_ROW = """
    import sys
    from importlib.util import find_spec, module_from_spec

    ROW = (
        'ResourceType(url=TYPE_URL_PREFIX + "envoy.service.runtime.v3.Runtime", short="RTDS", '
        'service="envoy.service.runtime.v3.RuntimeDiscoveryService", methods="Runtime", users=(LISTENER,)),'
    )
    import mirrorplane.api
    spec = find_spec("mirrorplane.api.resource")
    module = sys.modules[spec.name] = module_from_spec(spec)
    source = spec.loader.get_source(spec.name)
    assert "RESOURCE_TYPES = (" in source
    source = source.replace("RESOURCE_TYPES = (", "RESOURCE_TYPES = (" + ROW)
    exec(compile(source, spec.origin, "exec"), module.__dict__)
"""

USE_IT = """
    from mirrorplane.api.resource import LISTENER, PUSH_ORDER, Resource, ResourceSet
    from mirrorplane.controlplane.query.resources import TYPES
    from mirrorplane.controlplane.xds.delta import DeltaSession
    from mirrorplane.controlplane.xds.push_order import GATED, PushLimits
    from mirrorplane.controlplane.xds.requests import Ack, DeltaRequest
    from mirrorplane.controlplane.xds.served_resources import USERS
    from mirrorplane.controlplane.xds.services import stream_kinds

    RUNTIME = PUSH_ORDER[0]
    assert RUNTIME.endswith("runtime.v3.Runtime")
    assert {k.method for k in stream_kinds() if k.type_url == RUNTIME} == {"StreamRuntime", "DeltaRuntime"}
    assert RUNTIME in GATED[LISTENER]
    assert USERS[RUNTIME] == (LISTENER,)
    assert TYPES["runtime"] == RUNTIME

    ramp = Resource(RUNTIME, "ramp", "1", (b"layer",))
    session = DeltaSession(ResourceSet(1, {RUNTIME: {"ramp": ramp}}, {}, 0), PushLimits(), 0.0)
    assert session.receive(DeltaRequest(RUNTIME, subscribe=("ramp",))) is None, "the type is served"
    assert b"layer" in session.next(0.0)
    nonce = session.push_order.subscriptions[RUNTIME].nonce
    assert isinstance(session.receive(DeltaRequest(RUNTIME, nonce=nonce)), Ack)
    assert session.settled
"""


def test_a_new_type_is_one_row():
    program = textwrap.dedent(ADD_A_ROW) + textwrap.dedent(USE_IT)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_services_are_those_of_envoys_api():
    """A row's service and methods are text; Envoy's descriptors know whether they exist."""
    from envoy.service.cluster.v3 import cds_pb2
    from envoy.service.discovery.v3 import ads_pb2
    from envoy.service.endpoint.v3 import eds_pb2
    from envoy.service.listener.v3 import lds_pb2
    from envoy.service.route.v3 import rds_pb2
    from envoy.service.secret.v3 import sds_pb2

    from mirrorplane.controlplane.xds.services import stream_kinds

    modules = (ads_pb2, cds_pb2, eds_pb2, lds_pb2, rds_pb2, sds_pb2)
    declared = {
        (service.full_name, method.name)
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert {(kind.service, kind.method) for kind in stream_kinds()} <= declared
