"""Kubernetes' Secret, as far as it is about TLS. What else a Secret holds is not even read."""

from msgspec import field

from mirrorplane.api.meta import Kind, Wire


class Entries(Wire, frozen=True):
    """The entries of kubernetes.io/tls Secrets, and those of Istio's generic ones. Its repr shows none of them."""

    tls_crt: str = field(default="", name="tls.crt")
    tls_key: str = field(default="", name="tls.key")
    ca_crt: str = field(default="", name="ca.crt")
    ca_crl: str = field(default="", name="ca.crl")
    cert: str = ""
    key: str = ""
    cacert: str = ""
    crl: str = ""

    def __repr__(self) -> str:
        return "Entries(...)"


class Secret(Wire, frozen=True):
    """v1 Secret: `data` is base64, `stringData` is text and goes before it."""

    type: str = "Opaque"
    data: Entries = Entries()
    string_data: Entries = Entries()


SECRET = Kind(group="", versions=("v1",), name="Secret", spec=Secret, whole_object=True)
