"""Route -> the routes that Envoy needs to do what it says: pure passes that know no input API and no Envoy message."""
