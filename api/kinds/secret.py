"""Kubernetes' Secret, with its TLS entries only: other entries are never decoded. See decision 0026."""

from msgspec import field

from mirrorplane.api.meta import Kind, Wire


class Entries(Wire, frozen=True):
    """The entries of kubernetes.io/tls Secrets, and those of Istio's generic ones. Its repr hides them."""

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
    """v1 Secret: `data` is base64, `stringData` is text and wins over it."""

    type: str = "Opaque"
    data: Entries = Entries()
    string_data: Entries = Entries()


SECRET = Kind(group="", versions=("v1",), name="Secret", spec=Secret, whole_object=True)
