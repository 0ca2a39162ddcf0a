"""What is wrong with certificates: the text names what and where, and may be shown."""


class CertificateError(ValueError):
    """A certificate, request or key can't be used."""


class BadFiles(CertificateError):
    """A listener's files can't be used; the text names the file and what is wrong with it."""
